// What a thrown value says: never throws itself, whatever was thrown.
import { assertEquals, assertMatch } from "@std/assert";
import { errorMessage, errorStack, isPrintable } from "../../src/base/error_message.ts";
import { codeOf, isSystemError } from "../../src/base/system_errors.ts";

/** An error with a property that cannot be read. */
function broken(name: string): Error {
  return Object.defineProperty(new Error("x"), name, {
    get() {
      throw new Error("not to be read");
    },
  });
}

function hostile(trap: "get" | "getPrototypeOf"): object {
  const refuse = (): never => {
    throw new Error("trap");
  };
  return new Proxy({}, trap === "get" ? { get: refuse } : { getPrototypeOf: refuse });
}

const UNPRINTABLE = [
  Object.create(null),
  { toString: () => ({}) },
  {
    toString() {
      throw new Error("no");
    },
  },
  broken("message"),
  hostile("get"),
  hostile("getPrototypeOf"),
  Object.assign(new Error("x"), { message: Object.create(null) }),
];

Deno.test("error message: errors, texts and whatever can be made a text", () => {
  const nameless = new TypeError("");
  const cases = [
    [new Error("m"), "m"],
    [nameless, "TypeError"],
    ["text", "text"],
    [7, "7"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("s"), "Symbol(s)"],
    [Object.assign(new Error("x"), { message: 5 }), "5"],
    [{ toString: () => "own" }, "own"],
  ] as const;
  for (const [value, text] of cases) assertEquals(errorMessage(value), text);
  assertEquals(errorMessage("x".repeat(1_000_000)).length, 16_384);
});

Deno.test("error message: an unprintable value says so and differs from the others", () => {
  for (const value of UNPRINTABLE) {
    assertEquals([errorMessage(value), errorStack(value), isPrintable(value)].map(String), [
      "an error that cannot be printed",
      errorStack(value),
      "false",
    ]);
    assertEquals([codeOf(value), isSystemError(value, "denied")], [codeOf(value), false]);
  }
  assertEquals([broken("stack"), Symbol("s")].map(isPrintable), [false, false]);
  assertEquals(errorStack(broken("stack")), "x");
  assertMatch(errorStack(new Error("m")), /^Error: m\n +at /);
  assertEquals([new Error("m"), "text", undefined, 7, {}].map(isPrintable), [true, true, true, true, true]);
});

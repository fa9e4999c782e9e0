// Extensions may throw anything: values that cannot be made a string, symbols, errors that cannot be read. That ends
// neither their session nor others, and clients get an extension_error or the tool's error.

import { assert, assertEquals } from "@std/assert";
import { at, type JsonObject } from "../../support/base/json.ts";
import { ANTHROPIC, calls, text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const KINDS = ["bare", "symbol", "getter", "undef", "str", "proxy", "inspect"];

const THROWER = `
const odd = {
  bare: () => Object.create(null),
  symbol: () => Symbol("odd"),
  getter: () => Object.defineProperty(new Error("x"), "message", { get() { throw new Error("no"); } }),
  undef: () => undefined,
  str: () => ({ toString() { throw new Error("no"); } }),
  proxy: () => new Proxy({}, { get() { throw new Error("no"); }, getPrototypeOf() { throw new Error("no"); } }),
  inspect: () => ({ [Symbol.for("Deno.customInspect")]() { throw Symbol("no"); } }),
};
const rest = () => new Promise((resolve) => setTimeout(resolve, 30));
export default function (pi) {
  const command = (name, handler) => pi.registerCommand(name, { description: name, handler });
  let hook;
  for (const [name, make] of Object.entries(odd)) {
    command("throw-" + name, async () => { throw make(); });
    command("reject-" + name, async () => { Promise.reject(make()); await rest(); });
    command("timer-" + name, async () => { setTimeout(() => { throw make(); }, 1); await rest(); });
    command("later-" + name, async () => {
      const later = () => { throw make(); };
      process.nextTick(later);
      queueMicrotask(later);
      setImmediate(later);
      const target = new EventTarget();
      target.addEventListener("x", later);
      target.addEventListener("x", { handleEvent: later });
      target.dispatchEvent(new Event("x"));
      const controller = new AbortController();
      controller.signal.addEventListener("abort", later);
      controller.abort(make());
      globalThis.reportError?.(make());
      await rest();
    });
    pi.registerTool({
      name: "tool_" + name, label: name, description: name,
      parameters: { type: "object", properties: {} },
      async execute() { throw make(); },
    });
  }
  for (const event of ["turn_start", "agent_start", "context"]) {
    pi.on(event, async () => { if (hook) throw odd[hook](); });
  }
  command("hook", async (name) => { hook = name.trim(); });
  command("disarm", async () => {
    process.removeAllListeners();
    for (const name of ["unhandledRejection", "uncaughtException"]) process.removeAllListeners(name);
    process.on("uncaughtException", () => { throw new Error("from a listener"); });
    const emit = process.emit;
    process.emit = function (name, ...rest) {
      if (String(name).startsWith("u")) throw new Error("from emit");
      return emit.call(this, name, ...rest);
    };
  });
  command("capture", async () => {
    try {
      process.setUncaughtExceptionCaptureCallback(() => { throw new Error("from the capture"); });
    } catch {
      // Deno has no such function.
    }
  });
  command("speak", async (_, ctx) => {
    for (const value of [undefined, { a: 1 }, Symbol("n"), Object.create(null)]) ctx.ui.notify(value, 7);
    ctx.ui.setStatus(3, {});
    ctx.ui.setTitle(9);
    ctx.ui.setEditorText(null);
    ctx.ui.setWidget("w", [1, null]);
  });
}
`;

const install = (bench: Bench): Promise<void> => bench.home.extension("thrower", THROWER);
const test = shared([], install);

/** Runs a slash command to its end; the events that came meanwhile. */
async function run(wire: Wire, sessionId: string, message: string): Promise<JsonObject[]> {
  const since = wire.events(sessionId).length;
  await wire.ok({ type: "prompt", sessionId, message, waitFor: "settled" }, 20_000);
  await wire.ok({ type: "get_state", sessionId });
  return wire.events(sessionId).slice(since);
}

function errorsIn(events: JsonObject[]): JsonObject[] {
  return events.filter(({ type }) => type === "extension_error");
}

async function throwsEverything(wire: Wire, id: string): Promise<void> {
  for (const kind of KINDS) {
    const [error] = errorsIn(await run(wire, id, `/throw-${kind}`));
    assert(
      typeof at(error, "error") === "string" && at(error, "error") !== "",
      `${kind}: ${JSON.stringify(error)}`,
    );
    await run(wire, id, `/reject-${kind}`);
    await run(wire, id, `/timer-${kind}`);
    await run(wire, id, `/later-${kind}`);
  }
}

test("thrown: commands, stray rejections and timers end no session, with the listeners taken away, too", async (bench) => {
  const wire = await bench.connect();
  await wire.ok({ type: "subscribe", sessionId: "*" });
  const { id } = await bench.watched(wire);
  await throwsEverything(wire, id);
  for (const name of ["disarm", "capture"]) {
    await run(wire, id, `/${name}`);
    await throwsEverything(wire, id);
  }
  assertEquals(wire.messages.filter(({ type }) => type === "session_crashed"), []);
});

alone("thrown: the same in the server's own thread", async (bench) => {
  await install(bench);
  await bench.start(["--workers", "0", "--sandbox", "off"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await throwsEverything(wire, id);
  for (const name of ["disarm", "capture"]) {
    await run(wire, id, `/${name}`);
    await throwsEverything(wire, id);
  }
});

for (const [api, fields] of [["openai", {}], ["anthropic", ANTHROPIC]] as const) {
  test(`thrown: a tool's error reaches the model and the client, and the run ends (${api})`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, fields);
    for (const kind of KINDS) {
      const marker = bench.name(kind);
      bench.model.script(marker, calls([{ name: `tool_${kind}`, args: {} }]), text(["went on"]));
      const since = wire.events(id).length;
      assertEquals((await settled(wire, id, marker)).text, "went on", kind);
      const events = wire.events(id).slice(since);
      const end = events.find(({ type }) => type === "tool_execution_end");
      assertEquals(at(end, "isError"), true, kind);
      // pi makes a text of these itself.
      if (kind === "undef" || kind === "inspect") continue;
      const [error] = errorsIn(events);
      assertEquals(at(error, "event"), `tool tool_${kind}`);
      assert(typeof at(error, "error") === "string", kind);
    }
  });
}

test("thrown: a hook's error is an extension_error, and the run goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  for (const kind of KINDS) {
    await run(wire, id, `/hook ${kind}`);
    const marker = bench.name(kind);
    bench.model.script(marker, text(["went on"]));
    const since = wire.events(id).length;
    assertEquals((await settled(wire, id, marker)).text, "went on", kind);
    const errors = errorsIn(wire.events(id).slice(since));
    assert(errors.length > 0 && errors.every(({ error }) => typeof error === "string"), kind);
    await run(wire, id, "/hook");
  }
});

test("thrown: what an extension says that is not a string becomes one", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const said = (await run(wire, id, "/speak")).filter(({ type }) => type === "extension_ui_request");
  const texts = said.map((event) =>
    event.message ?? event.statusText ?? event.title ?? event.text ?? event.widgetLines
  );
  const unprintable = "an error that cannot be printed";
  const notices = ["undefined", "[object Object]", "Symbol(n)", unprintable];
  assertEquals(texts, [...notices, "[object Object]", "9", "null", ["1", "null"]]);
  assertEquals(said.filter(({ notifyType }) => notifyType !== undefined), []);
});

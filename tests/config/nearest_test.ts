// The word that a person most likely meant.
import { assertEquals } from "@std/assert";
import { didYouMean, nearest } from "../../src/config/nearest.ts";

const COMMANDS = ["attach", "run", "sessions", "status", "start", "stop", "token", "get_available_models"];

Deno.test("nearest: a slip of one or two letters, in either order, is found", () => {
  for (
    const [word, meant] of [
      ["atach", "attach"],
      ["rnu", "run"],
      ["sesions", "sessions"],
      ["statsu", "status"],
      ["STOP", "stop"],
      ["tokens", "token"],
      ["get-available-model", "get_available_models"],
      ["sess", "sessions"],
    ] as const
  ) assertEquals(nearest(word, COMMANDS), meant, word);
});

Deno.test("nearest: a flag that is the end of a longer one is found, a command that is one is not", () => {
  assertEquals(nearest("--name", ["--sessionId", "--sessionName"]), "--sessionName");
  assertEquals(nearest("--usd", ["--maxUsd"]), undefined);
  assertEquals(nearest("session", ["create_session", "new_session"]), undefined);
});

Deno.test("nearest: a word that is far from all of them has none", () => {
  for (const word of ["", "xyzzy", "deploy", "a".repeat(1000)]) {
    assertEquals(nearest(word, COMMANDS), undefined, word);
  }
  assertEquals(didYouMean("xyzzy", COMMANDS), "");
  assertEquals(didYouMean("rn", COMMANDS), "; did you mean run?");
});

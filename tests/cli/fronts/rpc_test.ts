// The parts of `pi-server rpc` without a server: arguments, the choice of a model, translations, records.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { chooseModel } from "../../../src/cli/fronts/rpc/model_choice.ts";
import { parsePiArguments, resourceFlags } from "../../../src/cli/fronts/rpc/pi_arguments.ts";
import { errorText, piSessionId, translate } from "../../../src/cli/fronts/rpc/rpc_commands.ts";
import { dialogRecord, Missed, recordsOf } from "../../../src/cli/fronts/rpc/rpc_records.ts";
import { UsageError } from "../../../src/cli/subcommand.ts";

const MODELS = [
  { provider: "a", id: "sonnet-20250101" },
  { provider: "a", id: "sonnet" },
  { provider: "a", id: "sonnet-20260101" },
  { provider: "b", id: "sonnet" },
  { provider: "b", id: "gpt:high" },
  { provider: "b", id: "gpt-5" },
];

/** The sentence of a usage error. */
function refused(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

Deno.test("rpc: --model takes an id, provider/id, a part, and a level behind a colon", () => {
  const cases: [pattern: string, provider: string | undefined, expected: unknown][] = [
    ["b/sonnet", undefined, { provider: "b", modelId: "sonnet" }],
    ["SONNET", "b", { provider: "b", modelId: "sonnet" }],
    ["sonnet-2026", undefined, { provider: "a", modelId: "sonnet-20260101" }],
    ["sonnet-20", undefined, { provider: "a", modelId: "sonnet-20260101" }],
    ["gpt-5:high", undefined, { provider: "b", modelId: "gpt-5", level: "high" }],
    ["gpt:high", undefined, { provider: "b", modelId: "gpt:high" }],
    ["gpt:high:low", undefined, { provider: "b", modelId: "gpt:high", level: "low" }],
  ];
  for (const [pattern, provider, expected] of cases) {
    assertEquals(chooseModel(pattern, provider, MODELS), expected, pattern);
  }
  for (const pattern of ["nothing", "gpt-5:loud", "a/gpt-5"]) {
    assertStringIncludes(refused(() => chooseModel(pattern, undefined, MODELS)), "fits", pattern);
  }
});

Deno.test("rpc: short flags of pi are known, and what has no meaning here is refused by name", () => {
  const parsed = parsePiArguments([
    "--mode",
    "rpc",
    "-c",
    "-n",
    "x",
    "-t",
    "read, bash",
    "-na",
    "--no-themes",
  ]);
  assertEquals(
    [parsed.has("continue"), parsed.text("name"), parsed.text("tools"), parsed.has("no-approve")],
    [
      true,
      "x",
      "read, bash",
      true,
    ],
  );
  for (const flag of ["--api-key", "--theme=x", "--print", "--models"]) {
    assertStringIncludes(refused(() => parsePiArguments([flag, "x"])), flag.replace(/=.*/, ""));
  }
  assertStringIncludes(refused(() => parsePiArguments(["--mode", "json"])), "--mode");
  for (
    const [short, flag] of [["-e", "--extension"], ["--skill", "--skill"], [
      "-ne",
      "--no-extensions",
    ]] as const
  ) {
    const args = short === "-ne" ? [short] : [short, "x"];
    assertStringIncludes(refused(() => parsePiArguments(args)), `${flag}: the sessions of a server share it`);
  }
  const own = parsePiArguments([
    "--private",
    "-e",
    "a",
    "--extension=b",
    "-ns",
    "--system-prompt",
    "Be brief, please",
  ]);
  assertEquals(resourceFlags(own), [
    "--extension=a",
    "--extension=b",
    "--no-skills",
    "--system-prompt=Be brief, please",
  ]);
});

Deno.test("rpc: a command carries only what pi reads, and null counts as absent", () => {
  assertEquals(translate({ type: "prompt", message: "m", images: null, id: 1, extra: 2 }, "0.73"), {
    type: "prompt",
    fields: { message: "m" },
  });
  assertEquals(translate({ type: "switch_session", sessionPath: "p" }, "0.73")?.type, "switch_session_file");
  for (const type of ["nothing", "toString", 5, undefined]) {
    assertEquals(translate({ type }, "0.73"), undefined, String(type));
  }
  assertEquals(translate({ type: "clear_queue" }, "1.6")?.type, "clear_queue");
  assertEquals(piSessionId("/x/2026-01-01T00-00-00-000Z_abc-def.jsonl", "wire"), "abc-def");
  assertEquals(piSessionId(undefined, "wire"), "wire");
  const missing = Object.assign(new Error("ours"), { code: "model_not_found" });
  assertEquals(
    errorText({ type: "set_model", provider: "p", modelId: "m" }, missing),
    "Model not found: p/m",
  );
  assertEquals(errorText({ type: "bash" }, missing), "ours");
});

Deno.test("rpc: events that pi does not have leave no record; dialogs get pi's fields", () => {
  for (
    const type of ["model_changed", "turn_stalled", "budget_exceeded", "session_replaced"]
  ) {
    assertEquals(recordsOf({ type }, "0.73", undefined), [], type);
  }
  assertEquals(recordsOf({ type: "agent_settled", aborted: true, stopReason: "stop" }, "1.6", undefined), [
    { type: "agent_settled", aborted: true },
  ]);
  assertEquals(recordsOf({ type: "bash_output", chunk: "x" }, "1.6", { id: "b" }), [
    { type: "bash_execution_update", id: "b", delta: "x" },
  ]);
  assertEquals(dialogRecord({ requestId: "r", method: "select", title: "t", options: ["a"], timeoutMs: 5 }), {
    type: "extension_ui_request",
    id: "r",
    method: "select",
    title: "t",
    options: ["a"],
    timeout: 5,
  });
  const partial = { content: [{ type: "toolCall", id: "c", name: "bash" }] };
  const update = { type: "toolcall_start", contentIndex: 0, partial };
  assertEquals(
    recordsOf(
      { type: "message_update", message: { usage: 1 }, assistantMessageEvent: update },
      "1.6",
      undefined,
    ),
    [{
      type: "message_update",
      usage: 1,
      assistantMessageEvent: { type: "toolcall_start", contentIndex: 0, id: "c", toolName: "bash" },
    }],
  );
});

Deno.test("rpc: what came while the connection was lost is made up from the state", () => {
  const message = (role: string, timestamp: number) => ({ role, timestamp });
  const missed = new Missed();
  missed.saw({ type: "agent_start" });
  missed.saw({ type: "message_end", message: message("user", 1) });
  const state = [message("user", 0), message("user", 1), message("assistant", 2)];
  assertEquals(missed.records(state, true, "0.73"), [
    { type: "message_start", message: message("assistant", 2) },
    { type: "message_end", message: message("assistant", 2) },
  ]);
  assertEquals(missed.records(state, false, "0.73").at(-2), {
    type: "agent_end",
    messages: [message("user", 1), message("assistant", 2)],
  });
  assertEquals(missed.records(state, false, "1.6").at(-1), { type: "agent_settled", aborted: false });
  // Nothing was missed, and no run is open.
  const quiet = new Missed();
  quiet.saw({ type: "message_end", message: message("assistant", 2) });
  assertEquals(quiet.records(state, false, "0.73"), []);
});

// The books that the pages read: dialogs, samples of counters, sessions, spending; the tree; what was typed.
import { assert, assertEquals } from "@std/assert";
import { completions, typed } from "../../../src/console/prompt/input.ts";
import { dialogOf } from "../../../src/console/state/dialog_book.ts";
import { kept, type Metrics, rates, type Sample } from "../../../src/console/state/metrics_log.ts";
import { doing, nameOf, SessionBook } from "../../../src/console/state/session_book.ts";
import { spendByModel, spendBySession } from "../../../src/console/state/spend.ts";
import { treeLines } from "../../../src/console/session/tree.ts";
import type { SessionInfo, TreeNode } from "../../../src/client/browser.ts";

const info = (sessionId: string, more: Partial<SessionInfo> = {}): SessionInfo => ({
  ...{ sessionId, cwd: "/", thinkingLevel: "off", isStreaming: false, isCompacting: false },
  ...{ steeringMode: "all", followUpMode: "all", autoCompactionEnabled: true, messageCount: 0 },
  ...{ pendingMessageCount: 0, createdAt: "", lastActivityAt: "", status: "live", subscribers: 0 },
  ...{ sessionVersion: 0, epoch: "e", seq: 0 },
  ...more,
});

const metrics = (uptimeMs: number, events: number): Metrics => ({
  ...{
    uptimeMs,
    events,
    sessions: { live: 0, parked: 0 },
    hosts: 1,
    connections: 0,
    commands: {},
    refusals: {},
    refusedRequests: {},
    providerFailures: {},
    connectionsOpened: 0,
    sessionsCreated: 0,
  },
  ...{ bytesIn: 0, bytesOut: 0, coalesced: 0, lagged: 0, evicted: 0, outboxBytes: 0, turns: 0, costUsd: 0 },
  loopDelayMs: { router: 0, hosts: [] },
  tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  journal: { keys: 0, keyBytes: 0, messageBytes: 0 },
});
const sample = (at: number, uptimeMs: number, events: number): Sample => ({
  ...{ at, metrics: metrics(uptimeMs, events), byModel: {}, bySession: {} },
});

Deno.test("a notice is not a dialog, and fields of another kind do no harm", () => {
  assertEquals(dialogOf("a", { requestId: "1", method: "notify" }, 5), undefined);
  assertEquals(dialogOf("a", { method: "select" }, 5), undefined);
  const dialog = dialogOf("a", { requestId: "1", method: "select", title: 7, options: [1, "b"] }, 5);
  assertEquals([dialog?.title, dialog?.options, dialog?.since], ["", ["1", "b"], 5]);
});

Deno.test("samples are bounded, and a new server begins anew", () => {
  let samples: readonly Sample[] = [];
  for (let i = 0; i < 3000; i++) samples = kept(samples, sample(i * 5000, i * 5000, i));
  assert(samples.length <= 720);
  assertEquals(samples.at(-1)?.at, 2999 * 5000);
  assertEquals(kept(samples, sample(1e9, 10, 0)).length, 1);
});

Deno.test("a rate is what a counter grew by in a second", () => {
  const samples = [sample(0, 0, 0), sample(2000, 2000, 50), sample(4000, 4000, 50)];
  assertEquals(rates(samples, (m) => m.events), [undefined, 25, 0]);
});

Deno.test("events change the activity that is shown for a session", () => {
  const book = new SessionBook();
  book.put(info("a"));
  const now = () => book.entries.value.get("a") ?? info("none");
  assertEquals(doing(now(), 0), "idle");
  book.apply("a", { type: "agent_start" });
  assertEquals([doing(now(), 0), doing(now(), 1)], ["works", "waits"]);
  book.apply("a", { type: "agent_settled", stopReason: "error" });
  assertEquals(doing(now(), 0), "failed");
  book.apply("a", { type: "agent_start" });
  book.apply("a", { type: "agent_settled", stopReason: "stop" });
  book.serverEvent("session_parked", { sessionId: "a" });
  assertEquals(doing(now(), 0), "parked");
  book.apply("a", { type: "session_info_changed", name: "Named" });
  assertEquals(nameOf(now()), "Named");
  assertEquals(
    nameOf(info("5f0c9b1e-0c53-4a8e-9d0b-0f6f3a1c2d4e", { cwd: "/home/me/demo" })),
    "demo 5f0c9b1e",
  );
  book.serverEvent("session_deleted", { sessionId: "a" });
  assertEquals(book.entries.value.size, 0);
  book.apply("unknown", { type: "agent_start" });
  assertEquals(book.entries.value.size, 0);
});

Deno.test("spending is added up by model and by session", () => {
  const usage = (usd: number) => ({ usage: { usd, turns: 1, wallMs: 1 } });
  const all = [info("a", usage(1)), info("b", { ...usage(3), sessionName: "B" }), info("c")];
  assertEquals(spendByModel(all), { none: 4 });
  assertEquals(spendBySession(all, 1), { B: 3 });
});

Deno.test("a tree is flat where it does not fork, and its current branch comes last", () => {
  const node = (entryId: string, parentId: string | null): TreeNode => ({
    ...{ entryId, parentId, entryType: "message", role: "user", text: entryId, timestamp: "" },
  });
  const nodes = [node("1", null), node("2", "1"), node("3", "2"), node("x", "1"), node("y", "x")];
  const lines = treeLines(nodes, "3").map((line) => [line.node.entryId, line.depth, line.current]);
  assertEquals(lines, [["1", 0, true], ["x", 1, false], ["y", 1, false], ["2", 0, true], ["3", 0, true]]);
});

Deno.test("a deep tree and one with a circle end", () => {
  const nodes = Array.from({ length: 50_000 }, (_, i): TreeNode => ({
    ...{ entryId: `${i}`, parentId: i === 0 ? null : `${i - 1}`, entryType: "message", role: "user" },
    timestamp: "",
  }));
  assertEquals(treeLines(nodes, "49999").length, 50_000);
  const circle = [{ ...nodes[1], entryId: "a", parentId: "b" }, { ...nodes[1], entryId: "b", parentId: "a" }];
  assertEquals(treeLines(circle as TreeNode[], "a"), []);
});

Deno.test("the prompt box tells messages from shell commands", () => {
  assertEquals(typed("  "), { kind: "nothing" });
  assertEquals(typed("!ls -la"), { kind: "shell", command: "ls -la", hidden: false });
  assertEquals(typed("!! secret"), { kind: "shell", command: "secret", hidden: true });
  assertEquals(typed("!"), { kind: "message", message: "!" });
  assertEquals(typed("hello!"), { kind: "message", message: "hello!" });
});

Deno.test("commands are completed by any part of their name, those that begin so first", () => {
  const command = (name: string) => ({ name, description: "", source: "extension" });
  const all = [command("undeploy"), command("deploy"), command("other")];
  assertEquals(completions("/dep", all).map(({ name }) => name), ["deploy", "undeploy"]);
  assertEquals(completions("/deploy now", all), []);
  assertEquals(completions("deploy", all), []);
});

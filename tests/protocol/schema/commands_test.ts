// What docs/PROTOCOL.md#what-waits-for-what says of each command: where it waits, how long it may run, what it is free of.
import { assertEquals } from "@std/assert";
import { type CommandName, COMMANDS, specOf } from "../../../src/protocol/schema/commands.ts";
import { isRead } from "../../support/server/roles.ts";

const names = [...COMMANDS.keys()] as CommandName[];

/** Names of the commands with that trait. */
const having = (wanted: (name: CommandName) => boolean): string[] => names.filter(wanted).toSorted();

const STOPS = ["abort", "abort_bash", "abort_compaction", "abort_retry"];

Deno.test("commands: exactly those that docs/PROTOCOL.md names never queue in the mailbox", () => {
  const never = ["extension_ui_response", "subscribe", "unsubscribe", "switch_session", "delete_session"];
  const more = ["ping", "hello", "steer", "follow_up", "clear_queue", "create_session", "load_session"];
  more.push("mint_token", "revoke_token", "set_budget", "drain_node");
  more.push("archive_session", "unarchive_session", "rename_stored_session", "delete_stored_session");
  const expected = having((name) => isRead(name) || [...STOPS, ...never, ...more].includes(name));
  assertEquals(having((name) => specOf(name).lane !== "mailbox"), expected);
});

Deno.test("commands: reads of a session, steer and follow_up wait for earlier ones of their connection, nothing else does", () => {
  const ofSession = (name: CommandName) => isRead(name) && specOf(name).target === "session";
  // That one looks at files, and not at the session's state.
  const after = (name: CommandName) => ofSession(name) && name !== "list_session_files";
  const expected = having((name) => after(name) || ["steer", "follow_up"].includes(name));
  assertEquals(having((name) => specOf(name).lane === "after"), expected);
});

Deno.test("commands: those that may call a model or a shell have five minutes, builds two minutes, all others 30 s", () => {
  const of = (ms: number): string[] => having((name) => specOf(name).timeoutMs === ms);
  assertEquals(of(300_000), ["bash", "compact", "navigate_tree", "prompt"]);
  assertEquals(of(120_000), ["create_session", "load_session"]);
  assertEquals(of(30_000).length, names.length - 6);
});

Deno.test("commands: abort*, extension_ui_response, ping and hello are exempt from every limit", () => {
  const expected = [...STOPS, "extension_ui_response", "hello", "ping"];
  assertEquals(having((name) => specOf(name).exempt), expected);
});

Deno.test("commands: what reads or stops is served during a shutdown, and nothing that begins something", () => {
  const others = ["hello", "ping", "extension_ui_response", "subscribe", "unsubscribe", "switch_session"];
  const expected = having((name) => isRead(name) || [...STOPS, ...others].includes(name));
  assertEquals(having((name) => specOf(name).duringShutdown), expected);
});

Deno.test("commands: reads raise no version, and what changes a session does", () => {
  const changes = having((name) => specOf(name).mutates);
  assertEquals(changes.filter((name) => isRead(name) || name.endsWith("subscribe")), []);
  const some = ["bash", "clone", "compact", "fork", "navigate_tree", "new_session", "prompt", "reload"];
  const sets = names.filter((name) => /^(set|cycle)_/.test(name));
  for (const name of [...some, ...sets, "steer", "follow_up", "clear_queue", "switch_session_file"]) {
    assertEquals(changes.includes(name), true, name);
  }
});

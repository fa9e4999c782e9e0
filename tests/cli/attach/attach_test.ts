// How the client in the terminal ends: the terminal is given back whatever happens, and nothing is drawn after that.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Client } from "../../../src/client/mod.ts";
import { attach, type AttachEnd, type AttachOptions } from "../../../src/cli/attach/attach.ts";
import type { Io, TerminalDevice, TerminalEnd } from "../../../src/runtime/terminal/io.ts";
import { until } from "../../support/base/wait.ts";

/** A terminal that keeps what was written to it. */
class FakeTerminal implements TerminalDevice {
  columns = 80;
  rows = 24;
  written = "";
  last: string | undefined;
  input: (text: string) => void = () => {};
  end: (reason: TerminalEnd) => void = () => {};

  open(onInput: (text: string) => void, _onResize: () => void, onEnd: (reason: TerminalEnd) => void): void {
    this.input = onInput;
    this.end = onEnd;
  }

  write(text: string): void {
    assertEquals(this.last, undefined, "nothing is drawn once the terminal was given back");
    this.written += text;
  }

  close(last: string): void {
    assertEquals(this.last, undefined, "it is given back once");
    this.last = last;
  }
}

const GREETING = {
  type: "server_ready",
  data: { version: "0.1.0", protocolVersion: "1.0", serverId: "x", capabilities: [], limits: {} },
};

/** A client of a server that has no session, and makes none. */
function quietServer(): Promise<Client> {
  return Client.open(
    (listener) => {
      queueMicrotask(() => listener.message(JSON.stringify(GREETING)));
      return Promise.resolve({
        send(text) {
          const { id, type } = JSON.parse(text);
          if (type !== "list_sessions") return;
          listener.message(JSON.stringify({ type: "response", id, success: true, data: { sessions: [] } }));
        },
        close: () => Promise.resolve(),
      });
    },
    { connectMs: 1000, reconnectMs: 0, heartbeatMs: 0 },
  );
}

/** A server that holds back some answers, and makes a session; it keeps what is asked. */
interface SlowServer {
  readonly asked: Record<string, unknown>[];
  connect(): Promise<Client>;
  release(): void;
  /** Sends a message. */
  tell(message: Record<string, unknown>): void;
}

/**
 * @param slow the type of command whose answers are held back
 * @param state of the session, beyond what each has
 */
function slowServer(slow = "list_sessions", state: Record<string, unknown> = {}): SlowServer {
  const asked: Record<string, unknown>[] = [];
  const held: (() => void)[] = [];
  let tell: SlowServer["tell"] = () => {};
  const sessionInfo = {
    ...{ sessionId: "s", status: "live", cwd: "/work", epoch: "e", seq: 0, messageCount: 0 },
    ...state,
  };
  const data: Record<string, unknown> = {
    list_sessions: { sessions: [] },
    create_session: { sessionId: "s", sessionInfo },
    get_state: sessionInfo,
    subscribe: { sessionId: "s", epoch: "e", seq: 0, mode: "live", sessionInfo, pendingUi: [] },
    bash: { output: "x", exitCode: 0, cancelled: false },
    get_messages: { messages: [], messageCount: 0 },
    get_commands: { commands: [] },
    // The footer draws these at some time, perhaps before the client has detached.
    get_session_stats: { tokens: { input: 0, output: 0 }, cost: 1.5 },
  };
  const connect = (): Promise<Client> =>
    Client.open(
      (listener) => {
        queueMicrotask(() => listener.message(JSON.stringify(GREETING)));
        tell = (message) => listener.message(JSON.stringify(message));
        return Promise.resolve({
          send(text) {
            const command = JSON.parse(text);
            const { id, type } = command;
            asked.push(command);
            const answer = (): void => {
              const response = { type: "response", id, success: true, data: data[type] ?? {} };
              listener.message(JSON.stringify(response));
            };
            if (type === slow) held.push(answer);
            else queueMicrotask(answer);
          },
          close: () => Promise.resolve(),
        });
      },
      { connectMs: 1000, reconnectMs: 0, heartbeatMs: 0 },
    );
  const release = (): void => held.splice(0).forEach((answer) => answer());
  return { connect, release, asked, tell: (message) => tell(message) };
}

/** Runs the client on such a terminal. */
function run(
  terminal: FakeTerminal | undefined,
  connect: AttachOptions["connect"] = quietServer,
): Promise<AttachEnd> {
  const io: Partial<Io> = {
    system: "linux",
    read: () => Promise.resolve(undefined),
    terminal: () => terminal,
    env: () => undefined,
    cwd: () => "/work",
    home: () => "/home/me",
    now: () => 0,
    monotonic: () => 0,
    after: () => ({ clear() {} }),
    readBytes: () => Promise.resolve(undefined),
  };
  return attach({ connect, io: io as Io, keysFile: "/keybindings.json" });
}

const shown = (terminal: FakeTerminal): Promise<boolean> =>
  until(() => terminal.written.includes("connected"), 5000, () => terminal.written);

for (
  const [reason, code, line] of [
    [{ kind: "error", error: new Error("boom \x1b[2J") }, 1, "a defect of pi-server attach: boom "],
    [{ kind: "signal", name: "SIGTERM" }, 143, undefined],
    [{ kind: "signal", name: "SIGHUP" }, 129, undefined],
    [{ kind: "gone" }, 129, undefined],
  ] as const
) {
  Deno.test(`the terminal is given back after ${reason.kind} ${"name" in reason ? reason.name : ""}`, async () => {
    const terminal = new FakeTerminal();
    const ended = run(terminal);
    await shown(terminal);
    assert(terminal.written.startsWith("\x1b[?1049h"), "the screen of before is kept");
    terminal.end(reason);
    const end = await ended;
    assertEquals([end.code, end.line], [code, line]);
    for (const undo of ["\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l", "\x1b[0m"]) {
      assertStringIncludes(terminal.last ?? "", undo);
    }
  });
}

Deno.test("Ctrl+D detaches and gives the terminal back", async () => {
  const terminal = new FakeTerminal();
  const ended = run(terminal);
  await shown(terminal);
  terminal.input("\x04");
  assertEquals(await ended, { code: 0, line: "detached; the sessions go on" });
  assertStringIncludes(terminal.last ?? "", "\x1b[?1049l");
});

Deno.test("messages that are sent before the first session is open are sent to it", async () => {
  const terminal = new FakeTerminal();
  const { connect, release, asked } = slowServer();
  const ended = run(terminal, connect);
  await shown(terminal);
  for (const text of ["first", "second"]) {
    for (const key of [...text, "\r"]) terminal.input(key);
  }
  release();
  const prompts = () => asked.filter(({ type }) => type === "prompt").map(({ message }) => message);
  await until(() => prompts().length === 2, 5000, () => JSON.stringify(asked));
  assertEquals(prompts(), ["first", "second"]);
  terminal.input("\x04");
  await ended;
});

Deno.test("a shell command waits for the subscription, since what it prints is in events alone", async () => {
  const terminal = new FakeTerminal();
  const { connect, release, asked } = slowServer("subscribe");
  const ended = run(terminal, connect);
  const count = (wanted: string): number => asked.filter(({ type }) => type === wanted).length;
  await until(() => count("subscribe") === 1, 5000, () => JSON.stringify(asked));
  for (const key of [..."!echo x", "\r"]) terminal.input(key);
  await until(() => terminal.written.includes("(runs; "), 5000, () => terminal.written);
  assertEquals(count("bash"), 0);
  // It subscribes once more, for the snapshot.
  await until(() => (release(), count("bash") === 1), 5000, () => JSON.stringify(asked));
  terminal.input("\x04");
  await ended;
});

Deno.test("a shell command that Esc stops before the subscription is never sent", async () => {
  const terminal = new FakeTerminal();
  const { connect, release, asked } = slowServer("subscribe");
  const ended = run(terminal, connect);
  const count = (wanted: string): number => asked.filter(({ type }) => type === wanted).length;
  await until(() => count("subscribe") === 1, 5000, () => JSON.stringify(asked));
  for (const key of [..."!echo x", "\r"]) terminal.input(key);
  await until(() => terminal.written.includes("(runs; "), 5000, () => terminal.written);
  terminal.input("\x1b");
  await until(() => count("abort_bash") === 1, 5000, () => JSON.stringify(asked));
  for (const key of [..."!echo y", "\r"]) terminal.input(key);
  await until(() => (release(), count("bash") === 1), 5000, () => JSON.stringify(asked));
  assertEquals(asked.filter(({ type }) => type === "bash").map(({ command }) => command), ["echo y"]);
  terminal.input("\x04");
  await ended;
});

Deno.test("a run that begins while the state is read goes on to be shown, and Esc stops it", async () => {
  const terminal = new FakeTerminal();
  const idle = { isStreaming: false, isCompacting: false, pendingMessageCount: 0 };
  const server = slowServer("get_session_stats", idle);
  const { asked } = server;
  const count = (wanted: string): number => asked.filter(({ type }) => type === wanted).length;
  const ended = run(terminal, server.connect);
  await until(() => count("get_session_stats") === 1, 5000, () => JSON.stringify(asked));
  server.tell({ type: "event", sessionId: "s", seq: 1, event: { type: "agent_start" } });
  await until(() => terminal.written.includes("Working…"), 5000, () => terminal.written);
  server.release();
  await until(() => terminal.written.includes("$1.500"), 5000, () => terminal.written);
  terminal.input("\x1b");
  await until(() => count("abort") === 1, 5000, () => JSON.stringify(asked));
  terminal.input("\x04");
  await ended;
});

Deno.test("without a terminal, in a small one, or without a server nothing is drawn", async () => {
  assertEquals((await run(undefined)).code, 2);
  const small = new FakeTerminal();
  small.rows = 4;
  assertStringIncludes((await run(small)).line ?? "", "too small: 80x4");
  const terminal = new FakeTerminal();
  const end = await run(terminal, () => Promise.reject(new Error("no server\x1b[31m answers")));
  assertEquals(end, { code: 1, line: "no server answers" });
  assertEquals([small.written, terminal.written, terminal.last], ["", "", undefined]);
});

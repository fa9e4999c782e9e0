// `deno task demo`: starts the real server as a child and drives two sessions at once, one over stdio and one
// over WebSocket, with the embedded demo model. Shows streams, a tool call, a steer, an abort, a shutdown.
import { deadline } from "@std/async/deadline";
import { JsonlDecoder } from "../src/protocol/jsonl.ts";

/** The demo fails rather than hangs. */
const LIMIT_MS = 20_000;

interface Message {
  readonly [field: string]: unknown;
}

const encoder = new TextEncoder();
const paint = (code: string) => (text: string): string => Deno.noColor ? text : `\x1b[${code}m${text}\x1b[0m`;
const dim = paint("2");
const bold = paint("1");
const started = performance.now();

function isRecord(value: unknown): value is Message {
  return typeof value === "object" && value !== null;
}

function field(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((at, name) => isRecord(at) ? at[name] : undefined, value);
}

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(6);
  console.log(`${dim(`${seconds}s`)} ${line}`);
}

/** Prints one session's events under its name; text in pieces of a line's length, while it streams. */
class Narrator {
  readonly #label: string;
  #line = "";

  constructor(label: string) {
    this.#label = label;
  }

  tell(message: Message): void {
    const event = message["event"];
    const delta = field(event, "assistantMessageEvent", "delta");
    switch (field(event, "type")) {
      case "message_update":
        if (field(event, "assistantMessageEvent", "type") === "text_delta") this.#add(String(delta));
        return;
      case "tool_execution_start":
        return this.#say(`tool call: ${bold(String(field(event, "args", "command")))}`);
      case "tool_execution_end":
        return this.#say(`tool result: ${String(field(event, "result", "content", "0", "text")).trim()}`);
      case "message_end":
        return this.#end();
      case "queue_update":
        return this.#say(`queue: ${JSON.stringify(field(event, "steering"))}`);
      case "agent_settled":
        return this.#say(`settled: ${bold(String(field(event, "stopReason")))}`);
    }
  }

  #add(text: string): void {
    this.#line += text;
    while (this.#line.length > 64) {
      const cut = this.#line.lastIndexOf(" ", 64);
      say(`${this.#label} ${this.#line.slice(0, cut < 0 ? 64 : cut)}`);
      this.#line = this.#line.slice(cut < 0 ? 64 : cut + 1);
    }
  }

  #end(): void {
    if (this.#line.trim() !== "") say(`${this.#label} ${this.#line}`);
    this.#line = "";
  }

  #say(text: string): void {
    this.#end();
    say(`${this.#label} ${dim("·")} ${text}`);
  }
}

/** A client of one transport: sends commands, matches responses, and lets one wait for an event. */
class Client {
  readonly #send: (text: string) => void;
  readonly #narrator: Narrator;
  readonly #answers = new Map<string, (message: Message) => void>();
  readonly #watchers = new Set<(message: Message) => void>();
  #ids = 0;

  constructor(send: (text: string) => void, narrator: Narrator) {
    this.#send = send;
    this.#narrator = narrator;
  }

  receive(text: string): void {
    const message: unknown = JSON.parse(text);
    if (!isRecord(message)) return;
    const { type, id } = message;
    if (type === "response" && typeof id === "string") this.#answers.get(id)?.(message);
    if (type === "event") this.#narrator.tell(message);
    for (const watcher of [...this.#watchers]) watcher(message);
  }

  /** Resolves with the first message from now on that fits. */
  next(fits: (message: Message) => boolean): Promise<Message> {
    return new Promise((resolve) => {
      const watcher = (message: Message): void => {
        if (!fits(message)) return;
        this.#watchers.delete(watcher);
        resolve(message);
      };
      this.#watchers.add(watcher);
    });
  }

  async request(command: Message): Promise<Message> {
    const id = String(++this.#ids);
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    this.#send(JSON.stringify({ id, ...command }));
    const response = await answer;
    if (response["success"] !== true) throw new Error(`${command["type"]}: ${JSON.stringify(response)}`);
    return response;
  }
}

const isDelta = (message: Message): boolean =>
  field(message, "event", "assistantMessageEvent", "type") === "text_delta";

async function overStdio(child: Deno.ChildProcess): Promise<{ client: Client; closed: Promise<void> }> {
  const writer = child.stdin.getWriter();
  const send = (text: string): void => void writer.write(encoder.encode(`${text}\n`)).catch(() => {});
  const client = new Client(send, new Narrator(paint("36")("[alpha · stdio]    ")));
  const greeting = client.next(({ type }) => type === "server_ready");
  const read = async (): Promise<void> => {
    const decoder = new JsonlDecoder(1 << 24);
    for await (const chunk of child.stdout) {
      for (const line of decoder.push(chunk)) if (line.kind === "line") client.receive(line.text);
    }
  };
  const closed = read();
  const { data } = await greeting;
  say(`greeting: pi-server ${field(data, "version")} on pi ${field(data, "pi", "version")}`);
  return { client, closed };
}

async function overWebSocket(stateDir: string): Promise<{ client: Client; closed: Promise<number> }> {
  const endpoint: unknown = JSON.parse(await Deno.readTextFile(`${stateDir}/endpoint.json`));
  const token = (await Deno.readTextFile(`${stateDir}/token`)).trim();
  const url = String(field(endpoint, "url"));
  const socket = new WebSocket(url, ["pi-server.v1", `pi-server.bearer.${token}`]);
  const client = new Client((text) => socket.send(text), new Narrator(paint("35")("[beta · websocket] ")));
  const ready = client.next(({ type }) => type === "server_ready");
  const closed = new Promise<number>((resolve) => socket.onclose = ({ code }) => resolve(code));
  socket.onmessage = ({ data }) => client.receive(String(data));
  await ready;
  say(`connected to ${url}`);
  return { client, closed };
}

async function drive(alpha: Client, beta: Client): Promise<void> {
  say(bold("Two sessions, two transports, one server"));
  await Promise.all([[alpha, "alpha"] as const, [beta, "beta"] as const].map(async ([client, sessionId]) => {
    await client.request({ type: "create_session", sessionId, inMemory: true });
    await client.request({ type: "subscribe", sessionId });
  }));

  say(bold("Both prompt at once: alpha writes, beta uses a tool"));
  const story = alpha.request({
    type: "prompt",
    sessionId: "alpha",
    message: "Tell me a story",
    waitFor: "settled",
  });
  const tool = beta.request({
    type: "prompt",
    sessionId: "beta",
    message: "Run a tool for me",
    waitFor: "settled",
  });

  await alpha.next(isDelta);
  say(bold("alpha is steered while it speaks"));
  await alpha.request({ type: "steer", sessionId: "alpha", message: "Enough herons" });
  await Promise.all([story, tool]);

  say(bold("beta starts a long answer and is aborted"));
  const settled = beta.next((message) => field(message, "event", "type") === "agent_settled");
  await beta.request({ type: "prompt", sessionId: "beta", message: "Another long story" });
  for (let deltas = 0; deltas < 20; deltas++) await beta.next(isDelta);
  await beta.request({ type: "abort", sessionId: "beta" });
  await settled;
}

async function demo(): Promise<void> {
  const stateDir = await Deno.makeTempDir({ prefix: "pi-server-demo-" });
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", new URL("../mod.ts", import.meta.url).pathname],
      ...["--demo", "--stdio", "on", "--port", "0", "--state-dir", stateDir, "--log-level", "warn"],
    ],
    // A folder of its own for pi: the demo neither needs nor touches the user's.
    env: { PI_CODING_AGENT_DIR: `${stateDir}/pi` },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    say(`started the server as process ${child.pid}`);
    const stdio = await overStdio(child);
    const ws = await overWebSocket(stateDir);
    await drive(stdio.client, ws.client);
    say(bold("SIGTERM: a graceful shutdown"));
    const told = stdio.client.next(({ type }) => type === "server_shutdown");
    child.kill("SIGTERM");
    say(`server_shutdown: ${field(await told, "data", "reason")}`);
    say(`the WebSocket closed with ${await ws.closed}`);
    await stdio.closed;
    const { code } = await child.status;
    say(`the server ended with exit code ${code}`);
    if (code !== 0) throw new Error(`The server ended with exit code ${code}`);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
}

if (import.meta.main) {
  await deadline(demo(), LIMIT_MS);
  say(bold("Done"));
}

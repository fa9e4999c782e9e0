// A program that speaks pi's RPC mode as a child: pi's own on Node, from the npm package, or ours in its place.

import { arrayAt, at, brief, isObject, type JsonObject } from "../base/json.ts";
import { environment, type Home, NODE, ON_1_6, REPO } from "../server/server_process.ts";
import { deadline, until } from "../base/wait.ts";

/** pi's own program, of the engine under test. */
export const PI_CLI = ON_1_6
  ? `${REPO}/node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js`
  : `${REPO}/node_modules/@mariozechner/pi-coding-agent/dist/cli.js`;
const WAIT_MS = 30_000;

/** A program to start in the place of pi. */
export interface PiProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** Arguments behind `--mode rpc`. */
  readonly more?: readonly string[];
  readonly env?: Record<string, string>;
}

/** A `pi --mode rpc` that runs. */
export class PiRpc implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #messages: JsonObject[] = [];
  readonly #reading: Promise<unknown>;
  #stderr = "";
  #ids = 0;

  constructor(
    home: Home,
    cwd: string,
    { program, args, more = [], env }: PiProgram = { program: NODE, args: [PI_CLI] },
  ) {
    this.#child = new Deno.Command(program, {
      args: [...args, "--mode", "rpc", ...more],
      cwd,
      clearEnv: true,
      env: environment(home, env),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#readOutput(), this.#readErrors()]);
  }

  /** Everything that it has written so far. */
  get messages(): readonly JsonObject[] {
    return this.#messages;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Its end. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** Writes a line. */
  async line(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${text}\n`));
  }

  /** Ends its input. */
  async endInput(): Promise<void> {
    await this.#writer.close();
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Waits for a message that fits, from that one on. */
  async message(fits: (message: JsonObject) => boolean, from = 0): Promise<JsonObject> {
    return await until(
      () => this.#messages.slice(from).find(fits),
      WAIT_MS,
      () => `a message; got ${brief(this.#messages.slice(-5))}; stderr: ${this.#stderr}`,
    );
  }

  /** The response to a command. The first one waits for pi to load everything. */
  async request(command: JsonObject, ms = WAIT_MS): Promise<JsonObject> {
    const id = `pi-${++this.#ids}`;
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify({ ...command, id })}\n`));
    return await until(
      () => this.#messages.find((message) => message.type === "response" && message.id === id),
      ms,
      () => `pi's response to ${brief(command)}; stderr: ${this.#stderr}`,
    );
  }

  /** Everything so far that is not a response: events, and questions of extensions. */
  get events(): readonly JsonObject[] {
    return this.#messages.filter((message) => message.type !== "response");
  }

  /** Sends a record that gets no response. */
  async send(record: JsonObject): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(record)}\n`));
  }

  /** Waits for an event after the first `from` ones. */
  async event(fits: (event: JsonObject) => boolean, from = 0): Promise<JsonObject> {
    const seen = (): string => brief(this.events.slice(from).map(({ type }) => type), 600);
    return await until(
      () => this.events.slice(from).find(fits),
      WAIT_MS,
      () => `an event of pi's; seen: ${seen()}; stderr: ${this.#stderr}`,
    );
  }

  /** Prompts and waits until the run is over. */
  async settled(message: string): Promise<void> {
    const ends = () => this.#messages.filter((each) => each.type === "agent_end").length;
    const before = ends();
    const response = await this.request({ type: "prompt", message });
    if (response.success !== true) throw new Error(`pi refused the prompt: ${brief(response)}`);
    await until(() => ends() > before, WAIT_MS, () => `pi's agent_end; stderr: ${this.#stderr}`);
    await until(
      async () => at(await this.request({ type: "get_state" }), "data", "isStreaming") === false,
      WAIT_MS,
      () => "pi to be idle",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    const ended = this.#child.status;
    await deadline(ended, 5000, () => "pi to end").catch(() => this.#child.kill("SIGKILL"));
    await ended;
    await this.#reading;
  }

  async #readOutput(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const message: unknown = JSON.parse(line);
        if (isObject(message)) this.#messages.push(message);
      }
    }
  }

  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stderr) this.#stderr += decoder.decode(chunk, { stream: true });
  }
}

/** Replaces what must differ between two runs: ids, times and the home's own folders. */
export function normalized(value: unknown, home: Home): unknown {
  if (typeof value === "string") {
    return value
      .replaceAll(home.agentDir, "<agent>")
      .replaceAll(home.dir, "<home>")
      .replaceAll(home.dir.slice(1).replaceAll("/", "-"), "<home>")
      .replace(/pi-bash-[0-9a-f]+/g, "pi-bash-<n>")
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uuid>")
      .replace(/\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d[-.]\d+Z/g, "<time>")
      .replace(/\b(call_|chatcmpl-|msg_|toolu_)\d+/g, "$1<n>")
      .replace(/^[0-9a-f]{8}$/, "<entry>");
  }
  if (typeof value === "number") return value > 1e12 ? "<ms>" : value;
  if (Array.isArray(value)) return value.map((each) => normalized(each, home));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, normalized(each, home)]));
}

/** Paths at which `ours` lacks or contradicts what `theirs` has; array indexes are written as `[]`. */
export function differences(theirs: unknown, ours: unknown, path = ""): { path: string; what: string }[] {
  if (Array.isArray(theirs)) {
    if (!Array.isArray(ours) || ours.length !== theirs.length) {
      return [{ path, what: `${brief(theirs)} became ${brief(ours)}` }];
    }
    return theirs.flatMap((each, n) => differences(each, ours[n], `${path}[]`));
  }
  if (isObject(theirs)) {
    return Object.keys(theirs).flatMap((key) =>
      differences(theirs[key], at(ours, key), path === "" ? key : `${path}.${key}`)
    );
  }
  return Object.is(theirs, ours) ? [] : [{ path, what: `${brief(theirs)} became ${brief(ours)}` }];
}

/** The list at the path of a response's data. */
export function listOf(response: JsonObject, ...path: string[]): unknown[] {
  return arrayAt(response, "data", ...path);
}

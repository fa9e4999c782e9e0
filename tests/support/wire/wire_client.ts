// Two small clients of the wire, WebSocket and stdio, with one face for the tests: send, wait, look back. All
// that crosses is kept in order for `wire_checker.ts`. Knows the framing and nothing of the server's inside.

import { at, brief, isObject, type JsonObject, stringAt } from "../base/json.ts";
import { deadline } from "../base/wait.ts";
import { checkTranscript, type Entry } from "./wire_checker.ts";

const WAIT_MS = 15_000;

/** How a connection ended. */
export interface Closing {
  code: number;
  reason: string;
}

/** One connection to the server. */
export abstract class Wire {
  readonly name: string;
  readonly transcript: Entry[] = [];
  /** Every message that arrived and was a JSON object. */
  readonly messages: JsonObject[] = [];
  readonly #waiters = new Set<() => void>();
  readonly #taken = new Set<JsonObject>();
  readonly #closed = Promise.withResolvers<Closing>();
  readonly closed: Promise<Closing> = this.#closed.promise;
  #isClosed = false;
  #nextId = 1;
  /** Set when the test breaks the connection on purpose: commands may then go unanswered. */
  mayLoseResponses = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Puts bytes or text on the wire; text is one message. */
  protected abstract write(data: string | Uint8Array): void;
  /** Ends this side. */
  abstract close(): Promise<void>;

  /** Sends a command. */
  send(command: JsonObject): void {
    this.transcript.push({
      kind: "sent",
      id: typeof command.id === "string" ? command.id : null,
      type: String(command.type),
      sessionId: typeof command.sessionId === "string" ? command.sessionId : undefined,
      events: Array.isArray(command.events),
    });
    this.write(JSON.stringify(command));
  }

  /** Sends text as it is; `answers` lists the ids (null: none) of the responses that are due. */
  sendRaw(data: string | Uint8Array, answers: (string | null)[] = [null]): void {
    for (const id of answers) this.transcript.push({ kind: "sent", id, type: "", events: false });
    this.write(data);
  }

  /** Sends a command, with a fresh id if it has none, and waits for its response. */
  request(command: JsonObject, timeoutMs = WAIT_MS): Promise<JsonObject> {
    const id = typeof command.id === "string" ? command.id : `${this.name}-${this.#nextId++}`;
    this.send({ ...command, id });
    return this.response(id, timeoutMs);
  }

  /** The next response with that id. */
  response(id: string, timeoutMs = WAIT_MS): Promise<JsonObject> {
    return this.next(
      (message) => message.type === "response" && message.id === id,
      timeoutMs,
      `response ${id}`,
    );
  }

  /** The request's `data`; a failure is an error. */
  async ok(command: JsonObject, timeoutMs = WAIT_MS): Promise<JsonObject> {
    const response = await this.request(command, timeoutMs);
    if (response.success !== true || !isObject(response.data)) {
      throw new Error(`${command.type} failed: ${brief(response)}`);
    }
    return response.data;
  }

  /** The request's failure, which must have this code. */
  async refused(code: string, command: JsonObject, timeoutMs = WAIT_MS): Promise<JsonObject> {
    const response = await this.request(command, timeoutMs);
    if (response.success !== false || response.code !== code) {
      throw new Error(`expected ${code} for ${brief(command, 200)}, got ${brief(response)}`);
    }
    return response;
  }

  /** The first message, not yet taken, that fits; it is taken then. */
  async next(
    fits: (message: JsonObject) => boolean,
    timeoutMs = WAIT_MS,
    what = "a message",
  ): Promise<JsonObject> {
    const end = performance.now() + timeoutMs;
    while (true) {
      const found = this.messages.find((message) => !this.#taken.has(message) && fits(message));
      if (found) {
        this.#taken.add(found);
        return found;
      }
      if (this.#isClosed) throw new Error(`${this.name}: closed before ${what}; ${this.#seen()}`);
      const changed = Promise.withResolvers<void>();
      this.#waiters.add(changed.resolve);
      try {
        await deadline(
          changed.promise,
          end - performance.now(),
          () => `${this.name}: ${what}; ${this.#seen()}`,
        );
      } finally {
        this.#waiters.delete(changed.resolve);
      }
    }
  }

  /** The next event of the session of that type (and, if given, that fits). */
  event(
    sessionId: string,
    type: string,
    fits: (event: JsonObject) => boolean = () => true,
    timeoutMs = WAIT_MS,
  ): Promise<JsonObject> {
    return this.next(
      (message) =>
        message.type === "event" && message.sessionId === sessionId && isObject(message.event) &&
        message.event.type === type && fits(message.event),
      timeoutMs,
      `event ${type} of ${sessionId}`,
    );
  }

  /** All events of a session so far. */
  events(sessionId: string): JsonObject[] {
    return this.messages
      .filter((message) => message.type === "event" && message.sessionId === sessionId)
      .flatMap((message) => (isObject(message.event) ? [message.event] : []));
  }

  /** The greeting. */
  greeting(timeoutMs = WAIT_MS): Promise<JsonObject> {
    return this.next((message) => message.type === "server_ready", timeoutMs, "the greeting");
  }

  /** Faults of everything so far against the contract. */
  faults(): string[] {
    return checkTranscript(this.transcript, !this.mayLoseResponses);
  }

  /** Throws on any fault. */
  check(): void {
    const faults = this.faults();
    if (faults.length > 0) throw new Error(`${this.name} broke the protocol:\n  ${faults.join("\n  ")}`);
  }

  /** Takes one message off the wire. */
  protected receive(text: string): void {
    this.transcript.push({ kind: "received", text });
    try {
      const message: unknown = JSON.parse(text);
      if (isObject(message)) this.messages.push(message);
    } catch {
      // Not JSON: the checker reports it.
    }
    this.#wake();
  }

  protected ended(closing: Closing): void {
    this.#isClosed = true;
    this.#closed.resolve(closing);
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  #seen(): string {
    const last = this.messages.slice(-8).map((message) => brief(message, 220));
    return `received ${this.messages.length} messages, the last:\n  ${last.join("\n  ")}`;
  }
}

/** A WebSocket connection. */
export class WsWire extends Wire {
  readonly #socket: WebSocket;
  readonly #opened = Promise.withResolvers<void>();

  private constructor(name: string, url: string, protocols: string[]) {
    super(name);
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onopen = () => this.#opened.resolve();
    this.#socket.onmessage = (event) =>
      this.receive(typeof event.data === "string" ? event.data : "<binary>");
    this.#socket.onerror = () => {};
    this.#socket.onclose = (event) => {
      this.#opened.reject(new Error(`connection to ${url} closed with ${event.code} ${event.reason}`));
      this.ended({ code: event.code, reason: event.reason });
    };
    this.#opened.promise.catch(() => {});
  }

  /** Connects as a browser does, the token in a subprotocol, and waits for the greeting. */
  static async connect(url: string, token: string, name = "ws"): Promise<WsWire> {
    const wire = new WsWire(name, url, ["pi-server.v1", `pi-server.bearer.${token}`]);
    await deadline(wire.#opened.promise, WAIT_MS, () => `connection to ${url}`);
    await wire.greeting();
    return wire;
  }

  /** The subprotocol that the server chose. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  protected override write(data: string | Uint8Array): void {
    // A copy: the DOM's type wants bytes over a plain ArrayBuffer.
    this.#socket.send(typeof data === "string" ? data : new Uint8Array(data));
  }

  override async close(): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await deadline(this.closed, 5000, () => `${this.name} to close`).catch(() => {});
  }
}

/** Streams of a child, the way a parent holds them. */
export interface Pipes {
  stdin: WritableStream<Uint8Array>;
  stdout: ReadableStream<Uint8Array>;
}

/** A connection over a child's stdin and stdout. `filter` may tamper with lines, for the mutants. */
export class StdioWire extends Wire {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #filter: (line: string) => string[];
  readonly #encoder = new TextEncoder();
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(pipes: Pipes, name = "stdio", filter: (line: string) => string[] = (line) => [line]) {
    super(name);
    this.#writer = pipes.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    this.#filter = filter;
    this.#read(pipes.stdout).catch((error) => this.ended({ code: -1, reason: String(error) }));
  }

  /** Bytes go as they are, a text gets its line end. */
  protected override write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? this.#encoder.encode(`${data}\n`) : data;
    this.#lastWrite = this.#writer.write(bytes).catch(() => {});
  }

  /** Waits until everything written went into the pipe. */
  flushed(): Promise<void> {
    return this.#lastWrite;
  }

  override async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  async #read(stdout: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    // A line of some MiB comes in a hundred chunks: none of them is looked at twice.
    let parts: string[] = [];
    for await (const chunk of stdout) {
      const [end = "", ...begun] = decoder.decode(chunk, { stream: true }).split("\n");
      parts.push(end);
      for (const next of begun) {
        const line = parts.join("");
        parts = [next];
        for (const kept of this.#filter(line)) this.receive(kept);
      }
    }
    const rest = parts.join("");
    if (rest !== "") this.receive(rest);
    this.ended({ code: 0, reason: "end of output" });
  }
}

/** The assistant event's delta text of a `message_update`. */
export function deltaOf(event: JsonObject): string {
  return at(event, "assistantMessageEvent", "type") === "text_delta"
    ? stringAt(event, "assistantMessageEvent", "delta")
    : "";
}

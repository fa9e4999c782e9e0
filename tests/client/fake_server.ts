// The other end of a client under test: hands out links, keeps what was sent on each, and says what a test wants it
// to say. Knows nothing of sessions.
import type { Dial, LinkListener } from "../../src/client/mod.ts";
import { isObject, type JsonObject } from "../support/base/json.ts";

/** One link, as the server sees it. */
export class FakeLink {
  readonly sent: JsonObject[] = [];
  readonly #listener: LinkListener;
  #open = true;

  constructor(listener: LinkListener) {
    this.#listener = listener;
  }

  /** Says something. */
  say(message: JsonObject): void {
    if (this.#open) this.#listener.message(JSON.stringify(message));
  }

  /** Answers the last command of that type with success. */
  answer(type: string, data: JsonObject, more: JsonObject = {}): void {
    const { id } = this.last(type);
    this.say({
      type: "response",
      command: type,
      success: true,
      ...(id === undefined ? {} : { id }),
      data,
      ...more,
    });
  }

  /** Refuses the last command of that type. */
  refuse(type: string, code: string, more: JsonObject = {}): void {
    const { id } = this.last(type);
    const error = { error: `refused: ${code}`, code, retryable: true };
    this.say({
      type: "response",
      command: type,
      success: false,
      ...(id === undefined ? {} : { id }),
      ...error,
      ...more,
    });
  }

  /** An event of a session. */
  event(
    sessionId: string,
    seq: number,
    type = "tick",
    more: JsonObject = {},
    envelope: JsonObject = {},
  ): void {
    this.say({ type: "event", sessionId, seq, ...envelope, event: { type, ...more } });
  }

  /** The last command of that type. */
  last(type: string): JsonObject {
    const found = this.sent.findLast((command) => command.type === type);
    if (found === undefined) throw new Error(`no ${type} was sent: ${JSON.stringify(this.sent)}`);
    return found;
  }

  /** Types of all commands so far. */
  get types(): string[] {
    return this.sent.map(({ type }) => String(type));
  }

  /** Is cut off. */
  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.closed("cut");
  }

  take(text: string): void {
    const command: unknown = JSON.parse(text);
    if (this.#open && isObject(command)) this.sent.push(command);
  }
}

/** A server made of links. */
export class FakeServer {
  readonly links: FakeLink[] = [];
  capabilities: string[] = [];
  /** Whether dialling fails. */
  down = false;
  readonly #waiters: (() => void)[] = [];

  /** The link that was opened last. */
  get link(): FakeLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("no client has dialled");
    return link;
  }

  readonly dial: Dial = (listener) => {
    if (this.down) return Promise.reject(new Error("down"));
    const link = new FakeLink(listener);
    this.links.push(link);
    const data = { version: "0", protocolVersion: "1.0", capabilities: this.capabilities };
    link.say({ type: "server_ready", data });
    for (const wake of this.#waiters.splice(0)) wake();
    return Promise.resolve({
      send: (text: string) => link.take(text),
      close: () => {
        link.cut();
        return Promise.resolve();
      },
    });
  };

  /** Cuts the link, and waits until the client is back and has said what it has to say. */
  async cut(): Promise<FakeLink> {
    const back = new Promise<void>((resolve) => this.#waiters.push(resolve));
    this.link.cut();
    await back;
    await turn();
    return this.link;
  }
}

/** Lets everything that is due happen. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What `subscribe` answers for one session. */
export function started(
  mode: "live" | "replay" | "snapshot",
  seq: number,
  more: JsonObject = {},
): JsonObject {
  return { mode, epoch: "e", seq, sessionInfo: { isStreaming: false }, pendingUi: [], ...more };
}

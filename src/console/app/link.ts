// The page's connection to its server: one client for the life of the token. It says in one word how the connection
// is, and hands every event of every session to who keeps a book of them.
import { errorMessage } from "../../base/error_message.ts";
import {
  type Client,
  connect,
  type DataMap,
  type FieldsOf,
  type Greeting,
  type SessionEvent,
  TokenRefusedError,
} from "../../client/browser.ts";
import { type Access, askAccess, NO_ACCESS } from "./access.ts";
import { Cell } from "./cell.ts";

/** How the connection is. */
export type LinkState = "idle" | "connecting" | "connected" | "lost" | "refused";

/** Who hears of what the server says. */
export interface LinkListener {
  /** A connection is there, the first or a later one. */
  connected(client: Client): void;
  event(sessionId: string, event: SessionEvent): void;
  serverEvent(type: string, data: Readonly<Record<string, unknown>>): void;
}

type CommandName = Parameters<Client["request"]>[0];

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

/** The connection of this page. */
export class ServerLink {
  readonly state = new Cell<LinkState>("idle");
  /** Why the connection is lost or was refused. */
  readonly reason = new Cell("");
  readonly access = new Cell<Access>(NO_ACCESS);
  readonly greeting = new Cell<Greeting["data"] | undefined>(undefined);
  readonly client = new Cell<Client | undefined>(undefined);
  readonly #listener: LinkListener;
  readonly #events: readonly string[];
  #life = 0;

  /** @param events the types of events that are wanted of all sessions */
  constructor(listener: LinkListener, events: readonly string[]) {
    this.#listener = listener;
    this.#events = events;
  }

  /** Connects with that token, and tries until the server is there or refuses. */
  async start(token: string | undefined): Promise<void> {
    this.stop();
    const life = ++this.#life;
    this.state.set("connecting");
    for (let pause = FIRST_PAUSE_MS; life === this.#life; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.#open(token, life);
      } catch (error) {
        if (life !== this.#life) return;
        this.reason.set(errorMessage(error));
        if (error instanceof TokenRefusedError) return this.state.set("refused");
        this.state.set("lost");
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, pause);
          const now = (): void => {
            clearTimeout(timer);
            resolve(undefined);
          };
          addEventListener("online", now, { once: true });
        });
      }
    }
  }

  /** Ends the connection. */
  stop(): void {
    this.#life++;
    const client = this.client.value;
    this.client.set(undefined);
    this.access.set(NO_ACCESS);
    this.greeting.set(undefined);
    this.state.set("idle");
    void client?.close();
  }

  /** Sends a command; it fails at once when there has never been a connection. */
  request<N extends CommandName>(type: N, fields: FieldsOf<N>): Promise<DataMap[N]> {
    const client = this.client.value;
    if (client === undefined) return Promise.reject(new Error("There is no connection to the server yet"));
    return client.request(type, fields);
  }

  async #open(token: string | undefined, life: number): Promise<void> {
    const mine = (): boolean => life === this.#life;
    const client = await connect({
      ...(token === undefined ? {} : { token }),
      onConnection: (state, reason, error) => {
        if (!mine() || this.client.value === undefined) return;
        this.reason.set(reason ?? "");
        if (state === "connected") void this.#greeted(this.client.value);
        else if (state === "lost") this.state.set("lost");
        else this.state.set(error instanceof TokenRefusedError ? "refused" : "lost");
      },
      onServerEvent: (type, data) => {
        if (mine()) this.#listener.serverEvent(type, data);
      },
    });
    if (!mine()) return void client.close();
    this.client.set(client);
    await this.#greeted(client);
    void this.#listen(client, mine);
  }

  async #greeted(client: Client): Promise<void> {
    this.greeting.set(client.greeting.data);
    this.state.set("connected");
    this.reason.set("");
    try {
      this.access.set(await askAccess(client));
    } catch {
      // The connection went down meanwhile, and the next one asks again.
      return;
    }
    this.#listener.connected(client);
  }

  /** Hears of all sessions; the page of one session has its own subscription to it. */
  async #listen(client: Client, mine: () => boolean): Promise<void> {
    try {
      for await (const item of await client.subscribe("*", { events: this.#events })) {
        if (!mine()) return;
        if (item.kind === "event") this.#listener.event(item.sessionId, item.event);
      }
    } catch {
      // The client has ended, which its state tells.
    }
  }
}

// Does: the client: one connection that it keeps alive, its running commands and its subscriptions.
// Used by: mod.ts and browser.ts. Uses: connection.ts, requests.ts and subscription.ts.
import { isRecord } from "../base/json.ts";
import type { CommandMap, DataMap, Greeting, Settled, WireCommandName } from "../protocol/generated/mod.ts";
import { deferred } from "../base/async/deferred.ts";
import { Connection, type ConnectionTimeouts, type Message } from "./connection.ts";
import { Dialogs } from "./dialogs.ts";
import type { Dial } from "./transports/link.ts";
import { Requests } from "./requests.ts";
import { ActiveSubscription } from "./subscription.ts";
import type { SubscribeOptions, Subscription, UnparsedEvent } from "./subscription_types.ts";

/** The fields of a command, without those that the client adds. */
export type FieldsOf<N extends WireCommandName> = Omit<CommandMap[N], "id" | "type" | "idempotencyKey">;

/** An answer with the fields of its envelope. */
export interface Answer<N extends WireCommandName> {
  /** The `data` of the answer. */
  readonly data: DataMap[N];
  /** The session's version after a session command. */
  readonly sessionVersion?: number;
  /** Whether it is the stored answer to an earlier try. */
  readonly replayed: boolean;
}

/** Options of one request. */
export interface RequestOptions {
  /** Ends the wait for the answer. The command itself goes on. */
  readonly signal?: AbortSignal;
  /** A key of your own, for a retry in a later run of the program. Default: a new one for each request. */
  readonly idempotencyKey?: string;
  /**
   * Called with the outcome before the client handles any later message, where the order of answers and events
   * counts. An error is given in place of the answer.
   */
  readonly onOutcome?: (data: unknown, error?: unknown) => void;
}

/** Options of a client. */
export interface ClientOptions {
  /** Milliseconds for the connection to open and greet. Default: 10,000; for a child 60,000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds to wait for a lost server before requests fail. Default: 300,000. */
  readonly reconnectTimeoutMs?: number;
  /** Milliseconds of silence before a ping to the server. Default: 20,000. */
  readonly heartbeatMs?: number;
  /** Milliseconds in which refused commands are retried while the server has no room. Default: 120,000. */
  readonly retryTimeoutMs?: number;
  /** Called when the connection is lost, back, or given up; then with the error. */
  readonly onConnection?: (state: "connected" | "lost" | "closed", reason?: string, error?: Error) => void;
  /**
   * Recognizes the events that a program passes on unparsed, to its subscription's `onUnparsed`. Undefined for every
   * other message. From a server of this machine a message is then bytes in UTF-8, valid until this and `onUnparsed`
   * return, and only those that are parsed become texts.
   */
  readonly readUnparsed?: (text: string | Uint8Array) => UnparsedEvent | undefined;
  /** Called with each server event: sessions that come and go, and the shutdown. */
  readonly onServerEvent?: (type: string, data: Readonly<Record<string, unknown>>) => void;
}

/** The timeouts with their defaults. */
export function timeoutsOf(options: ClientOptions, connectMs: number): ConnectionTimeouts {
  return {
    connectMs: options.connectTimeoutMs ?? connectMs,
    reconnectMs: options.reconnectTimeoutMs ?? 300_000,
    heartbeatMs: options.heartbeatMs ?? 20_000,
  };
}

/** Calls a function of the user. Its error is an uncaught error, and does not disturb the client. */
function tell(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A client of one server. Made by `connect` and `spawn`. */
export class Client implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #subscriptions = new Map<string, ActiveSubscription>();
  #greeting: Greeting | undefined;
  #closing = false;
  #closed: Promise<void> | undefined;

  private constructor(dial: Dial, timeouts: ConnectionTimeouts, options: ClientOptions) {
    this.#options = options;
    this.#requests = new Requests((text) => this.#connection.send(text), options.retryTimeoutMs ?? 120_000);
    this.#connection = new Connection(dial, timeouts, {
      opened: (greeting) => this.#opened(greeting),
      text: (text) => {
        const unread = options.readUnparsed?.(text);
        return unread !== undefined && this.#of(unread.sessionId)?.unparsed(unread) === true;
      },
      message: (message, bytes) => this.#message(message, bytes),
      lost: (reason) => this.#lost(reason),
      ended: (error) => this.#ended(error),
    });
  }

  /** Opens a client over a link of that kind, for transports of your own. */
  static async open(dial: Dial, timeouts: ConnectionTimeouts, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(dial, timeouts, options);
    await client.#connection.start();
    return client;
  }

  /** The greeting of the current connection, or of the last one. */
  get greeting(): Greeting {
    if (this.#greeting === undefined) throw new Error("the client has no connection yet");
    return this.#greeting;
  }

  /**
   * Sends a command and waits for its answer, over as many connections as it takes.
   *
   * @param type the command's name
   * @param fields its fields
   * @returns the command's `data`
   * @throws {RequestError} when the server answers with an error
   * @throws {ConnectionLostError} when the server does not come back, or the outcome is unknown
   *
   * @example
   * ```ts
   * import { connect } from "@pi/server/client";
   *
   * await using client = await connect();
   * const { sessionId } = await client.request("create_session", { sessionName: "first" });
   * console.log((await client.request("get_state", { sessionId })).cwd);
   * ```
   */
  async request<N extends WireCommandName>(
    type: N,
    fields: FieldsOf<N>,
    options: RequestOptions = {},
  ): Promise<DataMap[N]> {
    return (await this.exchange(type, fields, options)).data;
  }

  /** Like `request`, with the fields of the answer's envelope. */
  exchange<N extends WireCommandName>(
    type: N,
    fields: FieldsOf<N>,
    options: RequestOptions = {},
  ): Promise<Answer<N>> {
    return this.#send<N>(type, { ...fields }, options);
  }

  /**
   * Gives the agent a message and waits until the run is over, however long that takes.
   *
   * @param sessionId the session
   * @param message the message's text
   * @param fields further fields of the command, such as `images`
   * @returns the last answer's text, why it ended, and what the run has cost
   */
  async prompt(
    sessionId: string,
    message: string,
    fields:
      & Partial<Omit<FieldsOf<"prompt">, "sessionId" | "message" | "waitFor">>
      & Omit<RequestOptions, "onOutcome"> = {},
  ): Promise<Settled> {
    const { signal, idempotencyKey, ...rest } = fields;
    const { data } = await this.#send<"prompt">(
      "prompt",
      { ...rest, sessionId, message, waitFor: "settled" },
      {
        ...(signal === undefined ? {} : { signal }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      },
    );
    return "text" in data ? data : { ...data, text: null, stopReason: null, usage: null };
  }

  /**
   * Subscribes to a session, or with `*` to all.
   *
   * @param target the session's id, or `*`
   * @param options which events, and from where
   * @returns its events as an async iterator, after the server's answer
   * @throws {RequestError} when the session does not exist
   * @throws {Error} when this client is subscribed to it already
   */
  async subscribe(target: string, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closing) throw new Error("the client is closed");
    if (this.#subscriptions.has(target)) {
      throw new Error(`this client is subscribed to ${target} already; close that subscription first`);
    }
    const { onDialog } = options;
    const subscription = new ActiveSubscription({
      target,
      options,
      requests: this.#requests,
      ...(onDialog === undefined ? {} : {
        dialogs: new Dialogs(
          onDialog,
          (fields) => this.#send("extension_ui_response", fields, {}),
          (error) => this.#subscriptions.get(target)?.end(error),
        ),
      }),
      over: () => {
        if (this.#subscriptions.get(target) === subscription) this.#subscriptions.delete(target);
      },
    });
    this.#subscriptions.set(target, subscription);
    await subscription.started;
    return subscription;
  }

  /**
   * Dials now when the connection is lost, and asks the server for a sign when it looks open. For the moment in
   * which the network or the machine is back.
   */
  hurry(): void {
    this.#connection.hurry();
  }

  /** Ends subscriptions, requests and the connection. A server that is a child finishes its work first. */
  close(): Promise<void> {
    this.#closing = true;
    for (const subscription of [...this.#subscriptions.values()]) subscription.end();
    // A second caller waits for the same end.
    return this.#closed ??= this.#connection.close();
  }

  /** Like `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send<N extends WireCommandName>(
    type: N,
    fields: Readonly<Record<string, unknown>>,
    { signal, idempotencyKey, onOutcome }: RequestOptions,
  ): Promise<Answer<N>> {
    if (this.#closing) return Promise.reject(new Error("the client is closed"));
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = deferred<Answer<N>>();
    const stop = (): void => {
      this.#requests.drop(id);
      reject(signal?.reason);
    };
    const id = this.#requests.add({
      type,
      fields,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      done: (outcome) => {
        signal?.removeEventListener("abort", stop);
        if (onOutcome !== undefined) {
          tell(() => outcome.ok ? onOutcome(outcome.response["data"]) : onOutcome(undefined, outcome.error));
        }
        if (outcome.ok) resolve(answerOf<N>(outcome.response));
        else reject(outcome.error);
      },
    });
    signal?.addEventListener("abort", stop, { once: true });
    return promise;
  }

  #opened(greeting: Greeting): void {
    this.#greeting = greeting;
    this.#requests.begin(greeting.data.capabilities.includes("idempotency"));
    // Missed events come before the answers that followed them.
    let open = 1;
    const settled = (): void => {
      if (--open === 0) this.#requests.opened();
    };
    for (const subscription of this.#subscriptions.values()) if (subscription.reopened(settled)) open++;
    settled();
    tell(() => this.#options.onConnection?.("connected"));
  }

  #lost(reason: string): void {
    this.#requests.lost(reason);
    for (const subscription of [...this.#subscriptions.values()]) subscription.lost();
    tell(() => this.#options.onConnection?.("lost", reason));
  }

  #ended(error: Error): void {
    this.#closing = true;
    for (const subscription of [...this.#subscriptions.values()]) subscription.end(error);
    this.#requests.ended(error);
    tell(() => this.#options.onConnection?.("closed", error.message, error));
  }

  #message(message: Message, bytes: number): void {
    const { type, sessionId, epoch, seq } = message;
    if (type === "response") this.#requests.answer(message);
    else if (type === "event") this.#of(sessionId)?.event(message, bytes);
    else if (type === "lagged") this.#of(sessionId)?.again();
    else if (type === "cursor") {
      if (typeof sessionId === "string" && typeof epoch === "string" && typeof seq === "number") {
        this.#of(sessionId)?.moved(sessionId, epoch, seq);
      }
    } else if (typeof type === "string") this.#serverEvent(type, message["data"]);
  }

  /** The subscription that a session's events belong to. One by id overrides `*` after its answer. */
  #of(sessionId: unknown): ActiveSubscription | undefined {
    const own = typeof sessionId === "string" ? this.#subscriptions.get(sessionId) : undefined;
    return own?.listening === true ? own : this.#subscriptions.get("*");
  }

  #serverEvent(type: string, data: unknown): void {
    const told = isRecord(data) ? data : {};
    const { sessionId } = told;
    if (type === "session_deleted" && typeof sessionId === "string") {
      for (const target of [sessionId, "*"]) this.#subscriptions.get(target)?.deleted(sessionId);
    } else if (type === "session_crashed") this.#of(sessionId)?.again();
    tell(() => this.#options.onServerEvent?.(type, told));
  }
}

function answerOf<N extends WireCommandName>(response: Message): Answer<N> {
  const { data, sessionVersion, replayed } = response;
  return {
    // The server's own schema guarantees the type of the answer.
    data: data as DataMap[N],
    ...(typeof sessionVersion === "number" ? { sessionVersion } : {}),
    replayed: replayed === true,
  };
}

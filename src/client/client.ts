// The client: one connection that is kept alive, the commands under way on it and the subscriptions, tied
// together. mod.ts makes it; requests.ts and subscription.ts know what to do when the connection is lost.
import { isRecord } from "../base/json.ts";
import type { CommandMap, DataMap, Greeting, Settled, WireCommandName } from "../protocol/generated/mod.ts";
import { deferred } from "../base/async/deferred.ts";
import { Connection, type ConnectionTimeouts, type Message } from "./connection.ts";
import { Dialogs } from "./dialogs.ts";
import type { Dial } from "./transports/link.ts";
import { Requests } from "./requests.ts";
import { ActiveSubscription } from "./subscription.ts";
import type { SubscribeOptions, Subscription } from "./subscription_types.ts";

/** The fields of a command, without those that the client fills in. */
export type FieldsOf<N extends WireCommandName> = Omit<CommandMap[N], "id" | "type" | "idempotencyKey">;

/** An answer with what the envelope tells. */
export interface Answer<N extends WireCommandName> {
  /** What the command answers with. */
  readonly data: DataMap[N];
  /** The session's version after it, of a session's command. */
  readonly sessionVersion?: number;
  /** Whether it is the stored answer to an earlier try. */
  readonly replayed: boolean;
}

/** How to send a command. */
export interface RequestOptions {
  /** Stops waiting for the answer; what the command does goes on. */
  readonly signal?: AbortSignal;
  /** A key of your own, to try again in another life of the program. Default: a new one for each request. */
  readonly idempotencyKey?: string;
}

/** How a client behaves. */
export interface ClientOptions {
  /** Milliseconds for the connection to open and greet. Default: 10,000; for a child 60,000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds for which a lost server is waited for, before requests fail. Default: 300,000. */
  readonly reconnectTimeoutMs?: number;
  /** Milliseconds of silence after which the server is asked whether it is there. Default: 20,000. */
  readonly heartbeatMs?: number;
  /** Milliseconds for which commands that the server has no room for are tried again. Default: 120,000. */
  readonly retryTimeoutMs?: number;
  /** Called when the connection is lost, is back, or has ended; then with the error that ended it. */
  readonly onConnection?: (state: "connected" | "lost" | "closed", reason?: string, error?: Error) => void;
  /** Called with the server's own events: sessions that come and go, its shutdown. */
  readonly onServerEvent?: (type: string, data: Readonly<Record<string, unknown>>) => void;
}

/** Fills in what the options leave out. */
export function patienceOf(options: ClientOptions, connectMs: number): ConnectionTimeouts {
  return {
    connectMs: options.connectTimeoutMs ?? connectMs,
    reconnectMs: options.reconnectTimeoutMs ?? 300_000,
    heartbeatMs: options.heartbeatMs ?? 20_000,
  };
}

/** Calls a function of the user's. What it throws is an uncaught error, and disturbs nothing here. */
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

  private constructor(dial: Dial, patience: ConnectionTimeouts, options: ClientOptions) {
    this.#options = options;
    this.#requests = new Requests((text) => this.#connection.send(text), options.retryTimeoutMs ?? 120_000);
    this.#connection = new Connection(dial, patience, {
      opened: (greeting) => this.#opened(greeting),
      message: (message, bytes) => this.#message(message, bytes),
      lost: (reason) => this.#lost(reason),
      ended: (error) => this.#ended(error),
    });
  }

  /** Opens a client over that kind of link; for transports of your own. */
  static async open(dial: Dial, patience: ConnectionTimeouts, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(dial, patience, options);
    await client.#connection.start();
    return client;
  }

  /** What the server said first, on the connection that is open or was open last. */
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
   * @throws {ConnectionLostError} when the server does not come back, or nobody can tell whether it ran
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

  /** The same as `request`, with what the answer's envelope tells. */
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
    fields: Partial<Omit<FieldsOf<"prompt">, "sessionId" | "message" | "waitFor">> & RequestOptions = {},
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
   * @param options what of it, and from where
   * @returns its events as an async iterator, once the server has answered
   * @throws {RequestError} when there is no such session
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

  /** Ends subscriptions, requests and the connection. A server that is our child finishes its work first. */
  close(): Promise<void> {
    this.#closing = true;
    for (const subscription of [...this.#subscriptions.values()]) subscription.end();
    // Who closes it a second time waits for the same end.
    return this.#closed ??= this.#connection.close();
  }

  /** The same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send<N extends WireCommandName>(
    type: N,
    fields: Readonly<Record<string, unknown>>,
    { signal, idempotencyKey }: RequestOptions,
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
    // What the subscriptions missed comes before the answers that followed it.
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

  /** Whose the events of a session are: a subscription by id overrides `*` from its answer on. */
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
    // What that command answers with, by the server's own schema.
    data: data as DataMap[N],
    ...(typeof sessionVersion === "number" ? { sessionVersion } : {}),
    replayed: replayed === true,
  };
}

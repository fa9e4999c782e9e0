// Does: speaks pi's RPC mode on stdin and stdout for one session of the server.
// Used by: src/cli/fronts/rpc.ts. Uses: the client; rpc_commands.ts and rpc_records.ts translate.
// Invariant: records leave in the order in which the server sent what they are made of.
import { deadline } from "../../../base/async/deadline.ts";
import { errorMessage } from "../../../base/error_message.ts";
import { isRecord } from "../../../base/json.ts";
import type { Client, FieldsOf, Subscription, SubscriptionItem } from "../../../client/mod.ts";
import type { WireCommandName } from "../../../protocol/generated/mod.ts";
import { JsonlDecoder } from "../../../protocol/jsonl.ts";
import type { Arguments } from "../../arguments.ts";
import type { Front } from "../front.ts";
import { EXIT_FAILED, EXIT_OK, type Io } from "../../subcommand.ts";
import { type Dialect, errorText, type PiRecord, translate, type Translation } from "./rpc_commands.ts";
import { RpcOutput } from "./rpc_output.ts";
import { dialogRecord, Missed, recordsOf } from "./rpc_records.ts";
import { adjust, findOpening, type Opening } from "./rpc_session.ts";

/** The most bytes of one line: more than the server takes. */
const LINE_BYTES = 256 * 1024 * 1024;

/** Commands after which the session may have other slash commands. */
const REPLACING: ReadonlySet<string> = new Set(["new_session", "switch_session_file", "fork", "clone"]);

/** Commands that pi gives up when stdin ends. */
const SLOW: ReadonlySet<string> = new Set(["bash", "compact"]);

/** Milliseconds that answers get after the end of stdin. */
const ANSWERS_MS = 10_000;

/** The dialect of that version of pi. */
export function dialectOf(version: string): Dialect {
  return version.startsWith("0.") ? "0.73" : "1.6";
}

/** One session, in pi's words. */
export class RpcFront {
  readonly #io: Io;
  readonly #front: Front;
  readonly #output: RpcOutput;
  readonly #dialect: Dialect;
  readonly #missed = new Missed();
  readonly #dialogs = new Map<string, string>();
  /** The commands `bash` without an answer, oldest first: they run one at a time. */
  readonly #bash: PiRecord[] = [];
  #sessionId = "";
  /** The slash commands of extensions, whose prompt pi answers when their handler is done. */
  #handled: ReadonlySet<string> = new Set();
  #opening: Opening | undefined;
  /** Commands without an answer that pi answers at once. */
  readonly #quick = new Set<Promise<void>>();
  #busy = false;
  #closing = false;
  #subscription: Subscription | undefined;
  #end: (code: number) => void = () => {};
  /** Resolves with the exit code when the session or stdout is gone. */
  readonly ended: Promise<number>;

  constructor(io: Io, front: Front) {
    this.#io = io;
    this.#front = front;
    this.#dialect = dialectOf(front.client.greeting.data.pi.version);
    this.ended = new Promise((resolve) => this.#end = resolve);
    this.#output = new RpcOutput(io, () => this.#end(EXIT_OK));
  }

  get #client(): Client {
    return this.#front.client;
  }

  /** Opens the session and follows it. Throws when it cannot be opened. */
  async open(parsed: Arguments): Promise<void> {
    const opening = await findOpening(this.#client, parsed, this.#io, this.#front.local);
    this.#opening = opening;
    this.#sessionId = opening.sessionId;
    const made = opening.kind === "create"
      ? this.#client.request("create_session", { sessionId: opening.sessionId, ...opening.fields })
      : undefined;
    // The subscription is asked for in the same breath, so that it begins with what extensions show at the start.
    const followed = this.#client.subscribe(opening.sessionId, {
      updates: "full",
      onItem: (item) => this.#item(item),
      // The older pi's record is the event itself. Most of what there is are updates, so they pass unparsed.
      ...(this.#dialect === "0.73"
        ? { onUnparsed: (json: string | Uint8Array) => this.#output.writeJson(json) }
        : {}),
    });
    followed.catch(() => {});
    await made;
    this.#subscription = await followed;
    const { start } = this.#subscription;
    this.#busy = start?.sessionInfo.isStreaming === true;
    for (const request of start?.pendingUi ?? []) if (isRecord(request)) this.#asked(request);
    void this.#subscription.next().then(
      () => this.#gone(`the session ${this.#sessionId} was deleted`),
      (error) => this.#gone(errorMessage(error)),
    );
    await adjust(this.#client, opening, parsed);
    await this.#learnCommands();
  }

  async #learnCommands(): Promise<void> {
    const { commands } = await this.#client.request("get_commands", { sessionId: this.#sessionId });
    this.#handled = new Set(commands.filter(({ source }) => source === "extension").map(({ name }) => name));
  }

  /** Handles the lines of stdin until its end. */
  async read(): Promise<void> {
    const decoder = new JsonlDecoder(LINE_BYTES);
    for await (const chunk of this.#io.stdin.bytes()) {
      for (const line of decoder.push(chunk)) {
        if (line.kind === "line") this.#line(line.text);
        else this.#failure({ type: "parse" }, `Failed to parse command: ${line.kind}`);
      }
    }
    for (const line of decoder.end()) if (line.kind === "line") this.#line(line.text);
    // A script writes its commands and closes stdin. It still wants the answers that pi gives at once.
    await deadline(this.#io, ANSWERS_MS, Promise.all(this.#quick), undefined);
  }

  /** Ends as pi ends: what runs is aborted, unless the server is to outlive the front. */
  async close(): Promise<void> {
    const sessionId = this.#sessionId;
    this.#closing = true;
    if (this.#opening !== undefined && this.#busy && !this.#front.lingers) {
      await this.#client.request("abort", { sessionId }).catch(() => {});
    }
    if (this.#opening?.kind === "create" && this.#opening.inMemory) {
      await this.#client.request("delete_session", { sessionId }).catch(() => {});
    }
    await this.#output.flushed();
  }

  #gone(reason: string): void {
    if (this.#closing) return;
    void this.#io.stderr.write(`pi-server rpc: ${reason}\n`).catch(() => {}).then(() =>
      this.#end(EXIT_FAILED)
    );
  }

  #record(record: PiRecord): void {
    this.#missed.saw(record);
    this.#output.write(record);
  }

  #item(item: SubscriptionItem): void {
    if (item.kind === "snapshot") {
      if (!item.missed) return;
      const { messages } = item.snapshot;
      this.#busy = item.sessionInfo.isStreaming;
      for (const record of this.#missed.records(messages, this.#busy, this.#dialect)) this.#record(record);
      return;
    }
    const { event } = item;
    if (event.type === "agent_start") this.#busy = true;
    else if (event.type === "agent_settled") this.#busy = false;
    else if (event.type === "extension_ui_request") return this.#asked(event);
    else if (event.type === "extension_ui_resolved") this.#dialogs.delete(String(event["requestId"]));
    for (const record of recordsOf(event, this.#dialect, this.#bash[0])) this.#record(record);
  }

  #asked(request: PiRecord): void {
    const { requestId, method } = request;
    this.#dialogs.set(String(requestId), String(method));
    this.#record(dialogRecord(request));
  }

  #line(text: string): void {
    let command: unknown;
    try {
      command = JSON.parse(text);
    } catch (error) {
      const why = errorMessage(error);
      return this.#failure({ type: "parse" }, `Failed to parse command: ${why}`);
    }
    if (!isRecord(command)) {
      return this.#failure({ type: "parse" }, "Failed to parse command: expected a JSON object");
    }
    if (command["type"] === "extension_ui_response") return this.#answered(command);
    const translation = translate(command, this.#dialect);
    if (translation === undefined) {
      // The older pi leaves the id out, and its client then waits for ever.
      return this.#failure(command, `Unknown command: ${command["type"]}`);
    }
    this.#send(command, translation);
  }

  #send(command: PiRecord, { type, fields, data: piData }: Translation): void {
    if (type === "bash") this.#bash.push(command);
    let done = (data: unknown): void => {
      const shown = piData?.(data, this.#sessionId);
      const { id } = command;
      this.#record({
        ...(id === undefined ? {} : { id }),
        type: "response",
        command: command["type"],
        success: true,
        ...(shown === undefined ? {} : { data: shown }),
      });
    };
    if (type === "get_messages") {
      const whole = done;
      done = (data) => void this.#older(data).then(whole, (error) => this.#failure(command, error.message));
    }
    const slash = type === "prompt" ? /^\/(\S+)/.exec(String(fields["message"]))?.[1] : undefined;
    const wait = slash !== undefined && this.#handled.has(slash) ? { waitFor: "settled" } : {};
    const sent = this.#client.request(
      type as WireCommandName,
      { ...fields, ...wait, sessionId: this.#sessionId } as FieldsOf<WireCommandName>,
      {
        onOutcome: (data, error) => {
          if (type === "bash") this.#bash.splice(this.#bash.indexOf(command), 1);
          if (REPLACING.has(type)) void this.#learnCommands().catch(() => {});
          if (error === undefined) done(data);
          else this.#failure(command, error instanceof Error ? errorText(command, error) : String(error));
        },
      },
    ).then(() => {}, () => {});
    if (SLOW.has(type) || "waitFor" in wait) return;
    this.#quick.add(sent);
    void sent.then(() => this.#quick.delete(sent));
  }

  /** All messages: pi's answer has no pages. */
  async #older(data: unknown): Promise<unknown> {
    if (!isRecord(data)) return data;
    let messages: unknown[] = Array.isArray(data["messages"]) ? data["messages"] : [];
    let { before } = data;
    while (typeof before === "number") {
      const page = await this.#client.request("get_messages", { sessionId: this.#sessionId, before });
      messages = [...page.messages, ...messages];
      before = page.before;
    }
    return { messages };
  }

  /** The client's answer to a dialog. One that pi would not know is ignored, as pi does. */
  #answered({ id, value, confirmed, cancelled }: PiRecord): void {
    const requestId = String(id);
    const method = this.#dialogs.get(requestId);
    if (method === undefined) return;
    const yes = method === "confirm" && confirmed !== undefined;
    const response = cancelled === true || (!yes && value === undefined)
      ? { method: "cancelled" }
      : yes
      ? { method, confirmed: confirmed === true }
      : { method, value: String(value) };
    void this.#client.request("extension_ui_response", {
      sessionId: this.#sessionId,
      requestId,
      response: response as { method: "cancelled" },
    }).then(() => this.#dialogs.delete(requestId), (error) => {
      const late = String(Reflect.get(error, "code")).startsWith("ui_");
      if (!late) this.#failure({ type: "extension_ui_response", id }, error.message);
    });
  }

  #failure({ id, type }: PiRecord, error: string): void {
    this.#record({
      ...(id === undefined ? {} : { id }),
      type: "response",
      command: type,
      success: false,
      error,
    });
  }
}

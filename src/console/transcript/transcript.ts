// A session's transcript, folded from a snapshot and the events after it. Rows are what the page shows; a tool's
// result belongs to the call that asked for it. Knows nothing of the page; bounded in memory.
import type { SessionEvent, SnapshotItem } from "../../client/browser.ts";
import { Cell } from "../app/cell.ts";
import { blocks, type Fields, fields, isFields, number, text } from "../text/read.ts";
import { ChunkedText } from "./chunks.ts";

/** A block of an answer that is still coming. */
export interface StreamingBlock {
  readonly type: "text" | "thinking" | "toolCall";
  readonly text: ChunkedText;
  /** Of a tool call, as the snapshot has it. */
  readonly call?: Fields;
}

/** One thing that the transcript shows. */
export interface Row {
  readonly key: string;
  /** Goes up when the row changes. */
  readonly version: Cell<number>;
  /** pi's message. Of an answer that is coming, what is known of it. */
  message: Fields;
  /** The blocks of an answer that is coming. */
  streaming: StreamingBlock[] | undefined;
  /** How much of the memory it counts for, in characters. */
  size: number;
}

/** What became of a tool call. */
export interface ToolState {
  readonly status: "waiting" | "running" | "done" | "failed";
  /** The content of its result, perhaps of the result so far. */
  readonly content: readonly Fields[];
  readonly details: Fields;
}

const WAITING: ToolState = { status: "waiting", content: [], details: {} };
/** Rows and characters that are kept; older ones are loaded again when the reader goes there. */
const KEPT_ROWS = 12_000;
const KEPT_CHARS = 24_000_000;

/** Roughly how many characters a value holds. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + sizeOf(one), 8);
  if (isFields(value)) return Object.values(value).reduce((sum: number, one) => sum + sizeOf(one), 32);
  return 8;
}

/** The transcript of one session. */
export class Transcript {
  /** Goes up when rows come or go. */
  readonly changed = new Cell(0);
  #shift = 0;
  #rows: Row[] = [];
  /** Index of the first loaded message among all that the session has. */
  #first = 0;
  #count = 0;
  #chars = 0;
  #life = 0;
  #keys = 0;
  readonly #tools = new Map<string, Cell<ToolState>>();
  #live: Row | undefined;
  #shell: Row | undefined;
  /** The command that the page has sent to the shell, for the row that its output makes. */
  #command = "";

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Index of the oldest loaded message; older ones exist while it is above 0. */
  get first(): number {
    return this.#first;
  }

  /** How many messages the session has. */
  get count(): number {
    return this.#count;
  }

  /** Whether an answer is coming. */
  get streaming(): boolean {
    return this.#live !== undefined;
  }

  /** Whether a shell command of a client prints. */
  get shell(): boolean {
    return this.#shell !== undefined;
  }

  /** Another number after each new start. */
  get life(): number {
    return this.#life;
  }

  /** How many rows the changes since the last call have put in front; negative when they dropped some. */
  takeShift(): number {
    const shift = this.#shift;
    this.#shift = 0;
    return shift;
  }

  /** Whether it holds more than it should while its reader is at the end. */
  get tooLarge(): boolean {
    return this.#rows.length > KEPT_ROWS + 500 || this.#chars > KEPT_CHARS * 1.1;
  }

  /** The state of a tool call. */
  tool(id: string): Cell<ToolState> {
    let cell = this.#tools.get(id);
    if (cell === undefined) this.#tools.set(id, cell = new Cell(WAITING));
    return cell;
  }

  /** Starts anew from a snapshot. */
  reset({ snapshot }: Pick<SnapshotItem, "snapshot">): void {
    this.#life++;
    this.#rows = [];
    this.#tools.clear();
    this.#chars = 0;
    this.#live = undefined;
    this.#shell = undefined;
    this.#shift = 0;
    this.#count = snapshot.messageCount;
    this.#first = snapshot.messageCount - snapshot.messages.length;
    for (const message of snapshot.messages) this.#add(message);
    if (snapshot.streamingMessage !== undefined) this.#begin(snapshot.streamingMessage);
    for (const tool of snapshot.runningTools) this.#running(tool);
    this.#touch();
  }

  /**
   * Puts older messages in front: those before `first`.
   *
   * @param first index of the first of them, where their number does not tell it
   */
  older(messages: readonly Fields[], first: number = this.#first - messages.length): void {
    const rows: Row[] = [];
    for (const message of messages) {
      const row = this.#row(message);
      if (row !== undefined) rows.push(row);
    }
    this.#rows = [...rows, ...this.#rows];
    this.#first = first;
    this.#shift += rows.length;
    this.#touch();
  }

  /** Whether more may be loaded. */
  get full(): boolean {
    return this.#rows.length >= KEPT_ROWS || this.#chars >= KEPT_CHARS;
  }

  /** Takes messages that came without an event: the newest of the session, `total` in all. */
  newest(messages: readonly Fields[], total: number): void {
    const missing = total - this.#count;
    if (missing <= 0 || this.#live !== undefined) return;
    this.#dropShell();
    for (const message of messages.slice(-missing)) this.#add(message);
    this.#count = total;
    this.#touch();
  }

  /** Says which command the page has just sent to the shell. */
  shellCommand(command: string): void {
    this.#command = command;
  }

  /** Takes an event; says whether the messages must be read anew. */
  apply(event: SessionEvent): "reload" | undefined {
    switch (event.type) {
      case "message_start":
        if (isFields(event["message"]) && text(event["message"], "role") === "assistant") {
          this.#begin(event["message"]);
        }
        break;
      case "message_update":
        this.#update(event);
        return undefined;
      case "message_end":
        if (isFields(event["message"])) this.#end(event["message"]);
        break;
      case "tool_execution_start":
      case "tool_execution_update":
        this.#running(event);
        return undefined;
      case "tool_execution_end":
        this.#ended(event);
        return undefined;
      case "auto_retry_start":
        this.#dropFailed();
        break;
      case "agent_end":
        this.#live = undefined;
        break;
      case "bash_output":
        this.#output(text(event, "chunk"));
        return undefined;
      case "compaction_end":
      case "session_replaced":
        return "reload";
      default:
        return undefined;
    }
    this.#touch();
    return undefined;
  }

  /** The reader is at the end: what is far above may be loaded again later. */
  trim(): void {
    let drop = 0;
    let chars = this.#chars;
    while (this.#rows.length - drop > KEPT_ROWS || (chars > KEPT_CHARS && drop < this.#rows.length - 100)) {
      chars -= this.#rows[drop]?.size ?? 0;
      drop++;
    }
    if (drop === 0) return;
    const dropped = this.#rows.slice(0, drop);
    let messages = 0;
    for (const { message } of dropped) {
      messages++;
      for (const block of blocks(message)) {
        if (text(block, "type") === "toolCall" && this.#tools.delete(text(block, "id"))) messages++;
      }
    }
    this.#rows = this.#rows.slice(drop);
    this.#chars = chars;
    this.#first = Math.min(this.#first + messages, this.#count);
    this.#shift -= drop;
    this.#touch();
  }

  #touch(): void {
    this.changed.set(this.changed.value + 1);
  }

  /** The row of a message, which also keeps a tool's result; none of what has no row of its own. */
  #row(message: Fields): Row | undefined {
    const role = text(message, "role");
    const size = sizeOf(message);
    this.#chars += size;
    if (role === "toolResult") {
      const failed = message["isError"] === true;
      this.tool(text(message, "toolCallId")).set({
        status: failed ? "failed" : "done",
        content: blocks(message),
        details: fields(message, "details"),
      });
      return undefined;
    }
    if (role === "custom" && message["display"] === false) return undefined;
    return {
      key: `${this.#life}.${this.#keys++}`,
      version: new Cell(0),
      message,
      streaming: undefined,
      size,
    };
  }

  #add(message: Fields): void {
    const row = this.#row(message);
    if (row !== undefined) this.#rows = append(this.#rows, row);
  }

  #begin(message: Fields): void {
    const row = this.#row(message) ?? undefined;
    if (row === undefined) return;
    row.streaming = blocks(message).map((block) => startedBlock(block));
    this.#live = row;
    this.#rows = append(this.#rows, row);
  }

  #update(event: SessionEvent): void {
    const update = event["assistantMessageEvent"];
    const row = this.#live;
    if (!isFields(update) || row?.streaming === undefined) return;
    const index = number(update, "contentIndex");
    if (index === undefined || index < 0 || index > 10_000) return;
    const kind = /^(text|thinking|toolcall)_(?:start|delta)$/.exec(text(update, "type"))?.[1];
    if (kind === undefined) return;
    const type = kind === "toolcall" ? "toolCall" : kind === "text" ? "text" : "thinking";
    const block = row.streaming[index] ?? (row.streaming[index] = { type, text: new ChunkedText() });
    const delta = text(update, "delta");
    block.text.append(delta);
    row.size += delta.length;
    this.#chars += delta.length;
    row.version.set(row.version.value + 1);
  }

  #end(message: Fields): void {
    this.#count++;
    const row = this.#live;
    if (row === undefined || text(message, "role") !== "assistant") return this.#add(message);
    const size = sizeOf(message);
    this.#chars += size - row.size;
    row.size = size;
    row.message = message;
    row.streaming = undefined;
    row.version.set(row.version.value + 1);
    this.#live = undefined;
  }

  #running(event: Fields): void {
    const partial = fields(event, "partialResult");
    this.tool(text(event, "toolCallId")).set({
      status: "running",
      content: blocks(partial),
      details: fields(partial, "details"),
    });
  }

  #ended(event: Fields): void {
    const result = fields(event, "result");
    this.tool(text(event, "toolCallId")).set({
      status: event["isError"] === true ? "failed" : "done",
      content: blocks(result),
      details: fields(result, "details"),
    });
  }

  /** pi takes a failed answer out of the messages before it tries again. */
  #dropFailed(): void {
    const last = this.#rows.at(-1);
    if (last === undefined || text(last.message, "role") !== "assistant") return;
    this.#rows = this.#rows.slice(0, -1);
    this.#chars -= last.size;
    this.#count--;
  }

  #output(chunk: string): void {
    let row = this.#shell;
    if (row === undefined) {
      row = this.#row({ role: "bashExecution", command: this.#command, output: "", running: true });
      if (row === undefined) return;
      this.#command = "";
      this.#shell = row;
      this.#rows = append(this.#rows, row);
      this.#touch();
    }
    const output = `${text(row.message, "output")}${chunk}`.slice(-100_000);
    row.message = { ...row.message, output };
    row.version.set(row.version.value + 1);
  }

  #dropShell(): void {
    const shell = this.#shell;
    if (shell === undefined) return;
    this.#rows = this.#rows.filter((row) => row !== shell);
    this.#shell = undefined;
  }
}

/** The same list for the transcript, but another one for who compares. */
function append(rows: Row[], row: Row): Row[] {
  rows.push(row);
  return rows;
}

function startedBlock(block: Fields): StreamingBlock {
  const type = text(block, "type");
  if (type === "thinking") return { type, text: new ChunkedText(text(block, "thinking")) };
  if (type === "toolCall") return { type, text: new ChunkedText(text(block, "partialJson")), call: block };
  return { type: "text", text: new ChunkedText(text(block, "text")) };
}

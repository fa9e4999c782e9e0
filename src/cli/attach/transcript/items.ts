// What a transcript consists of: one item for each thing that is drawn as one. Items change in place while the model
// streams; `version` grows with each change, so that a view knows which of its lines still hold. Pure.

interface Drawn {
  /** Grows with each change. */
  version: number;
  /** Index of the message that it is of, among the messages of the session; -1 of what is of this client alone. */
  readonly message: number;
}

/** What a person wrote. */
export interface UserItem extends Drawn {
  readonly kind: "user";
  readonly text: string;
  readonly images: number;
}

/** What the model wrote. */
export interface TextItem extends Drawn {
  readonly kind: "text";
  text: string;
}

/** What the model thought. */
export interface ThinkingItem extends Drawn {
  readonly kind: "thinking";
  text: string;
}

/** A tool that the model called, and what came of it. */
export interface ToolItem extends Drawn {
  readonly kind: "tool";
  readonly callId: string;
  name: string;
  args: Readonly<Record<string, unknown>>;
  state: "waiting" | "running" | "done" | "failed";
  output: string;
  /** Characters of the output that were left out. */
  left: number;
  images: number;
  /** Of an edit. */
  diff?: string;
}

/** A shell command of a client. */
export interface BashItem extends Drawn {
  readonly kind: "bash";
  command: string;
  output: string;
  left: number;
  state: "running" | "done" | "failed" | "cancelled";
  exitCode?: number;
  /** Whether the model sees nothing of it. */
  excluded: boolean;
}

/** A sentence of this client, the server or an extension. */
export interface NoteItem extends Drawn {
  readonly kind: "note";
  readonly level: "info" | "warning" | "error";
  readonly text: string;
}

/** A summary that stands for earlier messages, or a message of an extension. */
export interface SummaryItem extends Drawn {
  readonly kind: "summary";
  readonly title: string;
  readonly text: string;
}

/** One thing that is drawn. */
export type Item = UserItem | TextItem | ThinkingItem | ToolItem | BashItem | NoteItem | SummaryItem;

/** Most characters of one output that are kept. */
export const OUTPUT_CHARS: number = 64 * 1024;
/** Most characters of one text of the model that are kept. */
export const TEXT_CHARS: number = 512 * 1024;

/** The end of a text that is too long, and how many characters were left out before it. */
export function clipStart(text: string, most: number = OUTPUT_CHARS): { text: string; left: number } {
  if (text.length <= most) return { text, left: 0 };
  const from = text.indexOf("\n", text.length - most) + 1 || text.length - most;
  return { text: text.slice(from).toWellFormed(), left: from };
}

/** Characters that an item holds, roughly. */
export function sizeOf(item: Item): number {
  if (item.kind === "tool") return 200 + item.output.length + (item.diff?.length ?? 0);
  if (item.kind === "bash") return 200 + item.output.length;
  return 200 + item.text.length;
}

// What a run writes while it goes on: text on stdout, or its events as JSON lines, and notes on stderr.
// Used by: src/cli/commands/run.ts.
// Invariant: stdout holds the answer (or the JSON lines) and nothing else; a note never splits a line of it there.
import { isRecord } from "../../base/json.ts";
import type { Settled, SubscriptionItem } from "../../client/mod.ts";
import { AnswerStream } from "./answer_stream.ts";
import type { RunSession } from "./run_session.ts";
import type { Io } from "../subcommand.ts";
import { printable, printableText } from "../tables.ts";

const MOST_NOTE = 100;

/** One line for an item of a subscription: the message of the wire. */
export function jsonLine(item: SubscriptionItem): string {
  const { kind, ...rest } = item;
  return `${JSON.stringify({ type: kind, ...rest })}\n`;
}

/** What a tool was asked to do, in a few words. */
function shortArguments(args: unknown): string {
  if (!isRecord(args)) return "";
  const [first] = Object.values(args).filter((value) => typeof value === "string");
  const text = printable(first ?? JSON.stringify(args));
  return text.length > MOST_NOTE ? `${text.slice(0, MOST_NOTE)}…` : text;
}

/** What an event is worth a note; undefined for most. */
export function noteOf(item: SubscriptionItem): string | undefined {
  if (item.kind !== "event") return undefined;
  const { event } = item;
  switch (event.type) {
    case "tool_execution_start":
      return `${printable(String(event["toolName"]))}: ${shortArguments(event["args"])}`;
    case "tool_execution_end":
      return event["isError"] === true ? `${printable(String(event["toolName"]))} failed` : undefined;
    case "auto_retry_start":
      return `the model failed, try ${event["attempt"]} follows: ${printable(String(event["errorMessage"]))}`;
    case "summarization_retry_scheduled":
      return `the summary failed, try ${event["attempt"]} follows: ${
        printable(String(event["errorMessage"]))
      }`;
    case "compaction_start":
      return "the context is full and is compacted";
    case "extension_error":
      return printable(`an extension failed (${event["extensionPath"]}): ${event["error"]}`);
    default:
      return undefined;
  }
}

/** Writes one run. */
export class RunOutput {
  readonly #io: Io;
  readonly #json: boolean;
  readonly #quiet: boolean;
  readonly #answers: AnswerStream;
  #lineOpen = false;

  constructor(io: Io, session: RunSession, { json, quiet }: { json: boolean; quiet: boolean }) {
    this.#io = io;
    this.#json = json;
    this.#quiet = quiet;
    this.#answers = new AnswerStream(session.messageCount);
  }

  /** Writes what is new. */
  async item(item: SubscriptionItem): Promise<void> {
    if (this.#json) await this.#io.stdout.write(jsonLine(item));
    else await this.#text(this.#answers.next(item));
    const note = noteOf(item);
    // Notes are for a person who watches; a log of a script gets the last line alone.
    if (note !== undefined && this.#io.stderr.isTerminal) await this.note(note);
  }

  /** Ends the answer's line. */
  async end(text: string | null): Promise<void> {
    if (!this.#json) await this.#text(this.#answers.rest(text));
  }

  /** The last line of `--json`. */
  async result(result: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#json) await this.#io.stdout.write(`${JSON.stringify({ type: "result", ...result })}\n`);
  }

  /** A line on stderr. */
  async note(text: string): Promise<void> {
    if (this.#quiet) return;
    // On a terminal both streams are one screen.
    const apart = this.#lineOpen && this.#io.stdout.isTerminal && this.#io.stderr.isTerminal;
    this.#lineOpen = false;
    await this.#io.stderr.write(`${apart ? "\n" : ""}pi-server: ${text}\n`).catch(() => {});
  }

  async #text(text: string): Promise<void> {
    if (text === "") return;
    this.#lineOpen = !text.endsWith("\n");
    // A pipe gets it exactly. A terminal would act on what is in it.
    await this.#io.stdout.write(this.#io.stdout.isTerminal ? printableText(text) : text);
  }
}

/** The line about what a run has cost. */
export function usageLine(settled: Partial<Settled>, session: RunSession): string {
  const { usage } = settled;
  const parts = usage === null || usage === undefined ? ["no model was asked"] : [
    `${usage.input} tokens in, ${usage.output} out`,
    ...(usage.cacheRead + usage.cacheWrite > 0
      ? [`${usage.cacheRead} from the cache, ${usage.cacheWrite} to it`]
      : []),
    `$${usage.cost.total.toFixed(4)}`,
  ];
  return [...parts, ...(session.model === undefined ? [] : [session.model]), `session ${session.sessionId}`]
    .join("; ");
}

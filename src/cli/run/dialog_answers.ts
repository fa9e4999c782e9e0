// Answers to the questions of extensions during `run`: a person's at the terminal, the first one offered, or none.
// Used by: `run --answer`.
// Invariant: a script never waits for an answer that no person can give; `none` cancels the question at once.
import type { Dialog, DialogAnswer, DialogHandler } from "../../client/mod.ts";
import type { Io } from "../subcommand.ts";
import { printable, printableText } from "../tables.ts";

/** Values of `--answer`. */
export const ANSWERS: readonly string[] = ["ask", "first", "none"];

const EDITOR_END = ".";

/** Lines from stdin, one at a time. */
class Lines {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";
  #ended = false;

  constructor(io: Io) {
    this.#chunks = io.stdin.bytes()[Symbol.asyncIterator]();
  }

  /** The next line without its end; undefined at the end of the input. */
  async next(): Promise<string | undefined> {
    while (true) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end).replace(/\r$/, "");
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      if (this.#ended) {
        const line = this.#text;
        this.#text = "";
        return line === "" ? undefined : line;
      }
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#ended = true;
      else this.#text += this.#decoder.decode(value, { stream: true });
    }
  }
}

function questionOf({ method, title, options = [], message, placeholder, prefill }: Dialog): string {
  const head = [title, message ?? ""].map(printable).filter((text) => text !== "").join(": ");
  switch (method) {
    case "select":
      return `${head}\n${
        options.map((option, at) => `  ${at + 1}) ${printable(option)}\n`).join("")
      }Number: `;
    case "confirm":
      return `${head} [y/n] `;
    case "input":
      return `${head}${placeholder === undefined ? "" : ` (${printable(placeholder)})`}: `;
    case "editor":
      return `${head}\n${
        printableText(prefill ?? "")
      }\nYour text, and a line with ${EDITOR_END} at its end:\n`;
  }
}

/** What a line means; undefined when the question has to come again. */
function meaning({ method, options = [] }: Dialog, line: string): string | boolean | undefined {
  if (method === "confirm") {
    return /^y(es)?$/i.test(line.trim()) ? true : /^no?$/i.test(line.trim()) ? false : undefined;
  }
  if (method === "select") return options[Number(line) - 1] ?? options.find((option) => option === line);
  return line;
}

async function ask(dialog: Dialog, lines: Lines, io: Io): Promise<DialogAnswer> {
  const elsewhere = new Promise<undefined>((resolve) =>
    dialog.signal.addEventListener("abort", () => resolve(undefined), { once: true })
  );
  const told: string[] = [];
  while (!dialog.signal.aborted) {
    if (told.length === 0) await io.stderr.write(questionOf(dialog));
    const line = await Promise.race([lines.next().then((text) => ({ text })), elsewhere]);
    if (line === undefined) {
      await io.stderr.write("\n(answered elsewhere)\n");
      return undefined;
    }
    const { text } = line;
    if (text === undefined) return null;
    if (dialog.method === "editor") {
      if (text === EDITOR_END) return told.join("\n");
      told.push(text);
      continue;
    }
    const answer = meaning(dialog, text);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function first({ method, options = [], prefill }: Dialog): DialogAnswer {
  if (method === "select") return options[0] ?? null;
  return method === "confirm" ? true : method === "editor" ? prefill ?? "" : "";
}

/**
 * Makes the handler.
 *
 * @param how `ask`, `first` or `none`
 */
export function dialogAnswers(how: string, io: Io): DialogHandler {
  if (how === "ask") {
    let lines: Lines | undefined;
    let last: Promise<unknown> = Promise.resolve();
    // One question at a time: a person reads one line after the other.
    return (dialog) => {
      const answer = last.then(() => ask(dialog, lines ??= new Lines(io), io));
      last = answer.catch(() => {});
      return answer;
    };
  }
  return async (dialog) => {
    const answer = how === "first" ? first(dialog) : null;
    const what = answer === null ? "cancelled; see --answer" : `answered with ${JSON.stringify(answer)}`;
    await io.stderr.write(`pi-server: an extension asks "${printable(dialog.title)}": ${what}\n`);
    return answer;
  };
}

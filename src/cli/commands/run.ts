// `pi-server run "…"`: one run of an agent from a script or a terminal. It streams the answer and ends with an exit
// code that says how the run ended.
// Used by: the dispatch (src/cli/subcommands.ts).
// Invariant: the run ends with this program. SIGINT, SIGTERM, SIGHUP and a closed stdout abort it.
import { deadline } from "../../base/async/deadline.ts";
import type { Client, Subscription } from "../../client/mod.ts";
import { type Arguments, helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { ANSWERS, dialogAnswers } from "../run/dialog_answers.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { hintFor } from "../hints.ts";
import { watchReader } from "../reader_watch.ts";
import { textOfInput } from "../prompt_text.ts";
import { RunOutput, usageLine } from "../run/run_output.ts";
import { modelOf, openSession, type RunSession } from "../run/run_session.ts";
import {
  EXIT_FAILED,
  EXIT_INTERRUPTED,
  EXIT_OK,
  type Io,
  ReaderGoneError,
  type Subcommand,
  UsageError,
} from "../subcommand.ts";

const EXIT_ABORTED = 3;
const EXIT_BUDGET = 4;
const EXIT_HANGUP = 129;
const EXIT_TERMINATED = 143;

/** Milliseconds that the events before an answer get to arrive after it, where the server sent them later. */
const SETTLE_MS = 10_000;
const CLOSE_MS = 2000;

const FLAGS = [
  { name: "cwd", value: "DIR", about: "folder of a new session (this one)" },
  { name: "model", value: "P/M", about: "provider/model, such as anthropic/claude-sonnet-4-5" },
  { name: "session", value: "ID", about: "continue this session: live, parked or stored" },
  { name: "new", about: "in a new session (the default)" },
  { name: "name", value: "TEXT", about: "name of a new session" },
  { name: "rm", about: "remove a new session from the server's list after the run; its file stays" },
  { name: "trust", about: "load the extensions and settings of the project itself" },
  { name: "text", about: "print the answer as text (the default)" },
  { name: "json", about: "print each event as a JSON line, and a last line with the result" },
  {
    name: "answer",
    value: "HOW",
    choices: ANSWERS,
    about: "who answers dialogs of extensions: you, the first choice, or nothing",
  },
  { name: "quiet", about: "print nothing on stderr but errors" },
  ...SERVER_FLAGS,
];

async function promptOf(parsed: Arguments, io: Io): Promise<string> {
  const { words } = parsed;
  const plain = words.filter((word) => word !== "-");
  if (plain.length > 1 || words.length - plain.length > 1) {
    throw new UsageError(`put the prompt in quotes: pi-server run "${plain.join(" ")}"`);
  }
  const parts = await Promise.all(words.map((word) => word === "-" ? textOfInput(io) : word));
  const prompt = parts.map((part) => part.trim()).filter((part) => part !== "").join("\n\n");
  if (prompt === "") throw new UsageError("there is no prompt: write one, or - to read it from stdin");
  return prompt;
}

/** Takes up signals: the first one stops the run, the second one does not wait for it. */
class Interrupts {
  readonly #off: (() => void)[];
  /** Resolves at the second signal. */
  readonly insisted: Promise<number>;
  /** Exit code of the signal that came, if any. */
  code: number | undefined;
  onFirst: () => void = () => {};

  constructor(io: Io) {
    let insist: (code: number) => void = () => {};
    this.insisted = new Promise((resolve) => insist = resolve);
    const take = (code: number) => (): void => {
      if (this.code !== undefined) return insist(code);
      this.code = code;
      this.onFirst();
    };
    this.#off = [
      io.onSignal("SIGINT", take(EXIT_INTERRUPTED)),
      io.onSignal("SIGTERM", take(EXIT_TERMINATED)),
      io.onSignal("SIGHUP", take(EXIT_HANGUP)),
    ];
  }

  close(): void {
    for (const off of this.#off) off();
  }
}

/** Writes items until the run is over here, too. `onBudget` hears that the session has met its budget. */
async function follow(subscription: Subscription, output: RunOutput, onBudget: () => void): Promise<void> {
  for await (const item of subscription) {
    await output.item(item);
    if (item.kind === "event" && item.event.type === "budget_exceeded") onBudget();
    if (item.kind === "event" && item.event.type === "agent_settled") return;
    if (item.kind === "snapshot" && item.missed && !item.sessionInfo.isStreaming) return;
  }
}

/** Exit code and sentence of a run that the server ended with an error. */
function endOf(error: Error, overBudget: boolean): { readonly code: number; readonly line: string } {
  const code: unknown = Reflect.get(error, "code");
  if (code === "cancelled" && overBudget) {
    return {
      code: EXIT_BUDGET,
      line: "The session's budget is used up, which ended the run; set_budget raises it",
    };
  }
  const line = `${error.message}${hintFor(error)}`;
  if (code === "cancelled") return { code: EXIT_ABORTED, line };
  return { code: code === "budget_exceeded" ? EXIT_BUDGET : EXIT_FAILED, line };
}

/** One run in a session that is there. */
async function runIn(
  client: Client,
  session: RunSession,
  prompt: string,
  parsed: Arguments,
  io: Io,
  interrupts: Interrupts,
): Promise<number> {
  const { sessionId } = session;
  const json = parsed.has("json");
  const output = new RunOutput(io, session, { json, quiet: parsed.has("quiet") });
  const asks = io.stdin.isTerminal && io.stderr.isTerminal && !parsed.words.includes("-");
  const how = parsed.text("answer") ?? (asks ? "ask" : "none");
  const subscription = await client.subscribe(sessionId, { onDialog: dialogAnswers(how, io) });
  const abort = (): Promise<unknown> => client.request("abort", { sessionId }).catch(() => {});
  interrupts.onFirst = () => void abort();
  if (interrupts.code !== undefined) return interrupts.code;
  let gone: ReaderGoneError | undefined;
  let overBudget = false;
  const onBudget = (): void => void (overBudget = true);
  const reader = watchReader(io);
  const followed = Promise.race([follow(subscription, output, onBudget), reader.gone]).catch(
    async (error) => {
      if (!(error instanceof ReaderGoneError)) throw error;
      gone = error;
      await abort();
    },
  );
  // A failure of the output ends the wait below; until then it is not unhandled.
  followed.catch(() => {});
  const over = (): Promise<unknown> => deadline(io, SETTLE_MS, followed, undefined);
  try {
    const settled = await client.prompt(sessionId, prompt);
    if (settled.disposition === "handled") await deadline(io, 0, followed, undefined);
    else await over();
    if (gone !== undefined) return EXIT_OK;
    await output.end(settled.text);
    await output.result({ success: true, sessionId, ...settled });
    if (settled.stopReason === "length") await output.note("the answer was cut at the model's limit");
    await output.note(usageLine(settled, session));
    return EXIT_OK;
  } catch (error) {
    if (gone !== undefined) return EXIT_OK;
    if (!(error instanceof Error) || error.name !== "RequestError") throw error;
    const data: unknown = Reflect.get(error, "data");
    const ran = typeof data === "object" && data !== null && "stopReason" in data;
    if (ran) await over();
    await output.end(null);
    const code: unknown = Reflect.get(error, "code");
    await output.result({ success: false, sessionId, error: error.message, code, ...(ran ? data : {}) });
    if (interrupts.code !== undefined) {
      await output.note("interrupted; the run was aborted");
      return interrupts.code;
    }
    const end = endOf(error, overBudget);
    await io.stderr.write(`pi-server run: ${end.line}\n`).catch(() => {});
    return end.code;
  } finally {
    reader.stop();
    // A read that waits for a line would keep Node alive.
    if (how === "ask") io.stdin.close();
  }
}

async function start(parsed: Arguments, prompt: string, io: Io, interrupts: Interrupts): Promise<number> {
  const found = await findServer(io, { ...serverOptions(parsed), start: true });
  const client = await connectTo(io, found);
  let session: RunSession | undefined;
  try {
    session = await openSession(client, found, parsed, io);
    return await runIn(client, session, prompt, parsed, io, interrupts);
  } finally {
    if (session?.made === true && parsed.has("rm")) {
      // Its file stays. A server that is gone has no list to take it from.
      const gone = client.request("delete_session", { sessionId: session.sessionId }).catch(() => {});
      await deadline(io, CLOSE_MS, gone, undefined);
    }
    await deadline(io, CLOSE_MS, client.close(), undefined);
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ['run [flags] "PROMPT"', "run [flags] -              the prompt comes from stdin"],
    about:
      "Gives an agent one prompt, streams its answer to stdout, and ends when the run is over. What it " +
      "used and cost goes to stderr. A server is started in the background when none runs. The session " +
      "stays, unless --rm is given: --session with the printed id continues it.",
    flags: FLAGS,
    examples: [
      ['pi-server run "Why does the build fail?"', "in this folder, in a new session"],
      ['git diff | pi-server run "Review this" -', "the prompt, then the text on stdin"],
      ['pi-server run --session ID "And now fix it"', "continues a session"],
      ['pi-server run --json "List the tests" | jq .type', "every event, for programs"],
    ],
    exitCodes: [
      ["0", "the run ended with an answer"],
      ["1", "it failed: no server, no model, an error of the model"],
      ["2", "wrong arguments"],
      ["3", "another client aborted it"],
      ["4", "the session's budget is used up"],
      ["130", "Ctrl-C (SIGINT); 143 and 129 for SIGTERM and SIGHUP"],
    ],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    if (parsed.has("session") && parsed.has("new")) {
      throw new UsageError("--session and --new exclude each other");
    }
    if (parsed.has("json") && parsed.has("text")) {
      throw new UsageError("--json and --text exclude each other");
    }
    for (const name of ["cwd", "name", "rm", "trust"]) {
      if (parsed.has("session") && parsed.has(name)) {
        throw new UsageError(`--${name} is for a new session only`);
      }
    }
    modelOf(parsed.text("model"));
    const prompt = await promptOf(parsed, io);
    const interrupts = new Interrupts(io);
    try {
      return await Promise.race([start(parsed, prompt, io, interrupts), interrupts.insisted]);
    } finally {
      interrupts.close();
    }
  },
};

// `pi-server tail`: the events of one session or of all, as lines for people or as JSON for programs.
// Used by: the dispatch (src/cli/subcommands.ts).
// Invariant: no event is left out while the server keeps it; what is gone comes as one snapshot line.
import type { Client, SubscriptionItem } from "../../client/mod.ts";
import { textOfMessage } from "../run/answer_stream.ts";
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { watchReader } from "../reader_watch.ts";
import { jsonLine, noteOf } from "../run/run_output.ts";
import { CommandError, EXIT_INTERRUPTED, type Io, type Subcommand, UsageError } from "../subcommand.ts";
import { printable } from "../tables.ts";

const FLAGS = [
  { name: "all", about: "all sessions, also future ones" },
  { name: "events", value: "TYPES", about: "only events of these types, separated by commas" },
  { name: "json", about: "one JSON line for each event, as on the wire" },
  ...SERVER_FLAGS,
];

const MOST_TEXT = 300;

function shortened(text: string): string {
  const line = printable(text).trim();
  return line.length > MOST_TEXT ? `${line.slice(0, MOST_TEXT)}…` : line;
}

/** An event in a few words; undefined for the pieces of a message that follows whole. */
function wordsOf(item: SubscriptionItem, chosen: boolean): string | undefined {
  if (item.kind === "snapshot") return `the state at event ${item.seq}; the events before it are lost`;
  const { event } = item;
  const note = noteOf(item);
  if (note !== undefined) return note;
  switch (event.type) {
    case "message_end": {
      const { message } = event;
      const role = typeof message === "object" && message !== null
        ? String(Reflect.get(message, "role"))
        : "";
      const text = shortened(textOfMessage(message));
      return text === "" || role === "toolResult" ? undefined : `${role}: ${text}`;
    }
    case "tool_execution_end":
      return `${printable(String(event["toolName"]))} is done`;
    case "agent_start":
      return "works";
    case "agent_settled":
      return event["aborted"] === true ? "was aborted" : `is done (${event["stopReason"] ?? "no answer"})`;
    case "extension_ui_request":
      return event["title"] === undefined ? undefined : `asks: ${shortened(String(event["title"]))}`;
    case "bash_output":
      return shortened(String(event["chunk"]));
    case "model_changed":
    case "session_replaced":
    case "budget_exceeded":
    case "turn_stalled":
    case "storage_error":
      return event.type.replaceAll("_", " ");
    default:
      return chosen ? event.type : undefined;
  }
}

/** The session that is meant when none is named: the only one. */
async function only(client: Client): Promise<string> {
  const { sessions } = await client.request("list_sessions", {});
  const [first, ...others] = sessions.map(({ sessionId }) => sessionId);
  if (first === undefined) throw new CommandError("there are no sessions; --all waits for one");
  if (others.length === 0) return first;
  throw new UsageError(`name a session (${[first, ...others].slice(0, 5).join(", ")}), or give --all`);
}

async function follow(
  client: Client,
  target: string,
  events: readonly string[] | undefined,
  json: boolean,
  io: Io,
) {
  const subscription = await client.subscribe(target, events === undefined ? {} : { events });
  for await (const item of subscription) {
    if (json) {
      await io.stdout.write(jsonLine(item));
      continue;
    }
    const words = wordsOf(item, events !== undefined);
    if (words === undefined) continue;
    const time = new Date(io.now()).toTimeString().slice(0, 8);
    await io.stdout.write(`${time}  ${target === "*" ? `${item.sessionId}  ` : ""}${words}\n`);
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["tail [SESSION] [flags]", "tail --all [flags]"],
    about:
      "Prints what happens in a session from now on, until Ctrl-C. Without SESSION it takes the only one.",
    flags: FLAGS,
    examples: [
      ["pi-server tail --all", "everything that happens on the server"],
      ["pi-server tail a --events agent_settled --json", "one line for each end of a run"],
    ],
    exitCodes: [["1", "the session is gone, or the server"], ["130", "Ctrl-C"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [named, stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: one session at a time; --all for all`);
    if (named !== undefined && parsed.has("all")) throw new UsageError("give a session or --all, not both");
    const types = parsed.list("events").flatMap((text) => text.split(",")).map((type) => type.trim());
    const client = await connectTo(io, await findServer(io, serverOptions(parsed)));
    const reader = watchReader(io);
    let off = (): void => {};
    const interrupted = new Promise<number>((resolve) =>
      off = io.onSignal("SIGINT", () => resolve(EXIT_INTERRUPTED))
    );
    try {
      const target = parsed.has("all") ? "*" : named ?? await only(client);
      const followed = follow(client, target, types.length === 0 ? undefined : types, parsed.has("json"), io)
        .then(() => {
          throw new CommandError(
            `the session ${target} is gone; pi-server sessions lists those that there are`,
          );
        });
      return await Promise.race([followed, interrupted, reader.gone]);
    } finally {
      off();
      reader.stop();
      await client.close();
    }
  },
};

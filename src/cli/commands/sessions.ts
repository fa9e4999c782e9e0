// `pi-server sessions`: the sessions of the server, as a table for people or as JSON for programs.
// Used by: the dispatch (src/cli/subcommands.ts).
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { EXIT_OK, type Subcommand, UsageError } from "../subcommand.ts";
import { ageOf, table } from "../tables.ts";
import { pages } from "../../client/mod.ts";
import type { SessionInfo } from "../../protocol/mod.ts";

/** Sessions of one answer. */
const PAGE = 500;

const FLAGS = [
  { name: "json", about: "print the sessions as one JSON array" },
  ...SERVER_FLAGS,
];

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["sessions [flags]"],
    about:
      "Lists the sessions that the server holds, the latest first. A parked session uses no memory; the " +
      "next command to it brings it back.",
    flags: FLAGS,
    examples: [
      ["pi-server sessions", "a table: id, state, folder, model, messages, cost, age"],
      ["pi-server sessions --json | jq -r '.[].sessionId'", "the ids alone"],
    ],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: there is nothing to do with this argument`);
    await using client = await connectTo(io, await findServer(io, serverOptions(parsed)));
    const sessions: SessionInfo[] = [];
    for await (const page of pages(client, "list_sessions", { limit: PAGE })) sessions.push(...page);
    const latest = sessions.sort((a, b) => b.lastActivityAt.localeCompare(a.lastActivityAt));
    if (parsed.has("json")) {
      await io.stdout.write(`${JSON.stringify(latest, null, 2)}\n`);
      return EXIT_OK;
    }
    if (latest.length === 0) {
      await io.stderr.write('There are no sessions; start one with: pi-server run "…"\n');
      return EXIT_OK;
    }
    const rows = latest.map((session) => [
      session.sessionId,
      session.isStreaming ? "works" : session.interrupted?.length ? "interrupted" : session.status,
      session.sessionName ?? "",
      session.model === undefined ? "no model" : `${session.model.provider}/${session.model.id}`,
      String(session.messageCount),
      session.usage === undefined ? "" : `$${session.usage.usd.toFixed(4)}`,
      ageOf(io.now() - Date.parse(session.lastActivityAt)),
      session.cwd,
    ]);
    const head = ["SESSION", "STATE", "NAME", "MODEL", "MESSAGES", "COST", "IDLE", "FOLDER"];
    await io.stdout.write(table([head, ...rows]));
    return EXIT_OK;
  },
};

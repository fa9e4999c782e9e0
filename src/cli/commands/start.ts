// `pi-server start`: a server in the background, which goes on when this terminal is closed.
// Used by: the dispatch (src/cli/subcommands.ts). Uses: the server's own parser, so that a wrong flag is found here.
// Invariant: a running server stays the only one; `start` then says where it is and fails.
import { parseConfig } from "../../config/config.ts";
import { helpOf } from "../arguments.ts";
import { logFileOf, readEndpoint, startServer, stateFolder } from "../find_server.ts";
import { CommandError, EXIT_OK, type Subcommand, UsageError } from "../subcommand.ts";

const JSON_FLAG = "--json";
const FLAGS = [
  { name: "json", about: "print url, pid, stateDir and logFile as JSON" },
  { name: "state-dir", value: "DIR", about: "the state folder (~/.pi/server)" },
];

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  serverFlags: true,
  help: helpOf({
    usage: ["start [flags of the server]"],
    about: "Starts a server in the background and prints its address. Its log is server.log in the state " +
      "folder. It takes the flags of the server itself (pi-server --help), such as --port, --root or --demo.",
    flags: FLAGS,
    examples: [
      ["pi-server start", "on 127.0.0.1:3141, for sessions in this folder"],
      ["pi-server start --root ~/work --port 0", "for sessions anywhere in ~/work, on a free port"],
      ["pi-server stop", "ends it"],
    ],
  }),
  async run(args, io) {
    const json = args.includes(JSON_FLAG);
    const flags = args.filter((arg) => arg !== JSON_FLAG);
    const parsed = parseConfig(flags, (name) => io.env(name));
    if (parsed.kind === "invalid") throw new UsageError(parsed.reason.replace(/; see --help$/, ""));
    if (parsed.kind !== "serve") {
      throw new UsageError(`${flags.join(" ")}: is not for a server that is to run`);
    }
    if (!parsed.config.ws) {
      throw new UsageError("--no-ws: a server in the background is reached over WebSocket");
    }
    if (parsed.config.stdio === "on") {
      throw new UsageError("--stdio on: a server in the background has no stdin");
    }
    const { stateDir } = parsed.config;
    const folder = stateFolder(io, stateDir === undefined ? {} : { stateDir });
    const running = await readEndpoint(io, folder);
    if (running !== undefined) {
      const where = running.url === undefined ? "over stdio" : `at ${running.url}`;
      throw new CommandError(
        `a server runs already ${where} (process ${running.pid}, state folder ${folder})`,
      );
    }
    const { url, pid } = await startServer(io, folder, flags);
    const logFile = logFileOf(io, folder);
    await io.stdout.write(
      json
        ? `${JSON.stringify({ url, pid, stateDir: folder, logFile })}\n`
        : `pi-server runs at ${url}, process ${pid}, log ${logFile}\n`,
    );
    return EXIT_OK;
  },
};

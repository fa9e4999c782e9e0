// `pi-server attach [SESSION]`: the full-screen client in this terminal. The client itself is in src/cli/attach.
// Used by: the dispatch (src/cli/subcommands.ts).
import { agentFolder } from "../../base/pi_folders.ts";
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { type Subcommand, UsageError } from "../subcommand.ts";

/** The subcommand. */
export const command: Subcommand = {
  flags: SERVER_FLAGS,
  help: helpOf({
    usage: ["attach [SESSION] [flags]"],
    about:
      "Shows sessions in this terminal: talk to them, watch them, answer their questions. SESSION is an id, the " +
      "beginning of one, or a name; without it the list of all sessions comes first. Starts a server in the " +
      "background when none runs. Ctrl+D detaches, and everything goes on. /hotkeys shows the keys.",
    flags: SERVER_FLAGS,
    examples: [
      ["pi-server attach", "choose a session, or make the first one"],
      ["pi-server attach release-notes", "go straight to that session"],
      ["pi-server attach --server wss://host/ --token-file token", "sessions of another machine"],
    ],
    exitCodes: [["129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, SERVER_FLAGS);
    const [session, stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: only one session can be named`);
    const options = serverOptions(parsed);
    const { attach } = await import("../attach/attach.ts");
    const end = await attach({
      connect: async (callbacks) =>
        await connectTo(io, await findServer(io, { ...options, start: true }), callbacks),
      ...(session === undefined ? {} : { session }),
      io,
      keysFile: io.join(agentFolder(io), "keybindings.json"),
    });
    if (end.line !== undefined) await io.stderr.write(`pi-server attach: ${end.line}\n`);
    return end.code;
  },
};

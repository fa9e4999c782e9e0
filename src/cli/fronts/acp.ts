// `pi-server acp`: an agent of the Agent Client Protocol on stdin and stdout, for editors.
// Used by: the dispatch (src/cli/subcommands.ts). The agent itself is in src/cli/fronts/acp.
// Invariant: stdout carries the protocol alone; the sessions outlive this program.
import { deadline } from "../../base/async/deadline.ts";
import { errorMessage } from "../../base/error_message.ts";
import { EditorAgent } from "./acp/agent.ts";
import { ServerLink } from "./acp/server_link.ts";
import { editorStream } from "./acp/stream.ts";
import { helpOf, parseArguments } from "../arguments.ts";
import { FRONT_FLAGS, openFront } from "./front.ts";
import {
  CommandError,
  EXIT_INTERRUPTED,
  EXIT_OK,
  type Io,
  ReaderGoneError,
  type Subcommand,
  UsageError,
} from "../subcommand.ts";

const CLOSE_MS = 2000;
const EXIT_HANGUP = 129;
const EXIT_TERMINATED = 143;

/** Resolves with the exit code of the signal that comes. */
function signalled(io: Io): { readonly code: Promise<number>; readonly off: () => void } {
  const offs: (() => void)[] = [];
  const code = new Promise<number>((resolve) => {
    offs.push(
      io.onSignal("SIGINT", () => resolve(EXIT_INTERRUPTED)),
      io.onSignal("SIGTERM", () => resolve(EXIT_TERMINATED)),
      io.onSignal("SIGHUP", () => resolve(EXIT_HANGUP)),
    );
  });
  return { code, off: () => offs.forEach((off) => off()) };
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FRONT_FLAGS,
  help: helpOf({
    usage: ["acp [flags]"],
    about:
      "Lets an editor use the server: speaks the Agent Client Protocol (version 1) on stdin and stdout. The editor " +
      "starts it; docs/EDITORS.md has what to write into its settings. Starts a server in the background when none " +
      "runs, which ends with its last client. The sessions are the server's, so other clients can watch them and take part.",
    flags: FRONT_FLAGS,
    examples: [
      ["pi-server acp", "the server of this machine"],
      ["pi-server acp --server wss://host/ --token-file token", "sessions of another machine"],
    ],
    exitCodes: [["129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FRONT_FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: it takes flags alone`);
    const link = new ServerLink(async (more) => (await openFront(io, parsed, more)).client);
    // The editor's first message waits for no more than what is left of this.
    link.client().catch(() => {});
    const signal = signalled(io);
    try {
      const connection = new EditorAgent(link, io).app().connect(editorStream(io));
      const ended = connection.closed.then(() => {
        const reason: unknown = connection.signal.reason;
        if (reason instanceof ReaderGoneError) throw reason;
        // Without an error of its own it is the end of stdin.
        if (reason instanceof Error && reason.name === "MessageTooLargeError") {
          throw new CommandError(errorMessage(reason));
        }
        return EXIT_OK;
      });
      return await Promise.race([ended, signal.code]);
    } finally {
      signal.off();
      io.stdin.close();
      await deadline(io, CLOSE_MS, link.close(), undefined);
    }
  },
};

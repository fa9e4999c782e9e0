// `pi-server rpc`: pi's own RPC mode on stdin and stdout, for a session of the server.
// Used by: the dispatch (src/cli/subcommands.ts), and `pi-server --mode rpc`, as programs start pi.
import { deadline } from "../../base/async/deadline.ts";
import { helpOf } from "../arguments.ts";
import { FRONT_FLAGS, openFront } from "./front.ts";
import { parsePiArguments, resourceFlags, RPC_FLAGS } from "./rpc/pi_arguments.ts";
import { RpcFront } from "./rpc/rpc_front.ts";
import { readUpdate } from "./rpc/unparsed_update.ts";
import { EXIT_OK, type Io, type Subcommand } from "../subcommand.ts";

const EXIT_HANGUP = 129;
const EXIT_TERMINATED = 143;
/** Milliseconds that the end gets to abort what runs and to write what is left. */
const CLOSE_MS = 5000;

async function run(args: readonly string[], io: Io): Promise<number> {
  const parsed = parsePiArguments(args);
  let stop: (code: number) => void = () => {};
  const stopped = new Promise<number>((resolve) => stop = resolve);
  const off = [
    io.onSignal("SIGTERM", () => stop(EXIT_TERMINATED)),
    io.onSignal("SIGHUP", () => stop(EXIT_HANGUP)),
  ];
  const front = await openFront(io, parsed, { readUnparsed: readUpdate }, resourceFlags(parsed));
  const rpc = new RpcFront(io, front);
  try {
    const session = rpc.open(parsed).then(() => rpc.read()).then(() => EXIT_OK);
    return await Promise.race([session, rpc.ended, stopped]);
  } finally {
    io.stdin.close();
    await deadline(io, CLOSE_MS, rpc.close(), undefined);
    await deadline(io, CLOSE_MS, front.client.close(), undefined);
    for (const each of off) each();
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: RPC_FLAGS,
  help: helpOf({
    usage: ["rpc [flags of pi]", "--mode rpc [flags of pi]"],
    about:
      "Speaks the RPC mode of pi (pi --mode rpc) on stdin and stdout, in the dialect of the engine that the " +
      "server runs. A program that starts pi can start this instead. Its session belongs to the server, " +
      "and other clients can watch it, answer it and take it over. A server is started in the background when " +
      "none runs; it ends with its last client.",
    flags: RPC_FLAGS.filter(({ name }) => !FRONT_FLAGS.some((flag) => flag.name === name)).concat(
      FRONT_FLAGS,
    ),
    examples: [
      ["pi-server rpc --model claude-sonnet-4-5", "in this folder, in a new session"],
      ["pi-server rpc --continue", "in the newest session of this folder"],
      ["PI_ACP_PI_COMMAND=pi-server pi-acp", "a program that starts pi itself"],
    ],
    exitCodes: [
      ["0", "stdin has ended"],
      ["1", "no server, no such session, or the session is gone"],
      ["2", "wrong arguments"],
      ["143", "SIGTERM; 129 for SIGHUP"],
    ],
  }),
  run,
};

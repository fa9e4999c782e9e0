// `pi-server stop`: ends the server of this machine, as SIGTERM does, and waits until it is gone.
// Used by: the dispatch (src/cli/subcommands.ts).
// Invariant: a signal goes to a process only after its server has answered under the id in endpoint.json, since
// the process id may have passed to another program.
import { helpOf, parseArguments } from "../arguments.ts";
import { connectTo, type Endpoint, findServer, readEndpoint, stateFolder } from "../find_server.ts";
import { CommandError, EXIT_OK, type Io, type Subcommand, UsageError } from "../subcommand.ts";

const FLAGS = [
  { name: "state-dir", value: "DIR", about: "state folder of the server (~/.pi/server)" },
  { name: "timeout", value: "SECONDS", about: "how long to wait for its end (60)" },
  { name: "now", about: "end it at once, without waiting for running turns" },
];

const DEFAULT_SECONDS = 60;
const MOST_SECONDS = 86_400;
const LOOK_MS = 50;

function secondsOf(text: string | undefined): number {
  const seconds = text === undefined ? DEFAULT_SECONDS : Number(text);
  if (Number.isFinite(seconds) && seconds > 0 && seconds <= MOST_SECONDS) return seconds;
  throw new UsageError(`--timeout: expected seconds from 1 to ${MOST_SECONDS}, got "${text}"`);
}

/** Throws unless the process is the server that endpoint.json names. */
async function makeSure(io: Io, stateDir: string, endpoint: Endpoint): Promise<void> {
  if (endpoint.url === undefined) {
    throw new CommandError(
      `the server (process ${endpoint.pid}) speaks stdio only; end the program that started it`,
    );
  }
  const client = await connectTo(io, await findServer(io, { stateDir }), { reconnectTimeoutMs: 0 });
  const { serverId } = client.greeting.data;
  await client.close();
  if (serverId !== endpoint.serverId) {
    throw new CommandError(`another server answers at ${endpoint.url}; end process ${endpoint.pid} yourself`);
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["stop [flags]"],
    about:
      "Ends the server of this machine. Running turns get the time of its --shutdown-timeout; sessions " +
      "are kept, and the next server lists them. It cannot stop a server on another machine.",
    flags: FLAGS,
    examples: [["pi-server stop && pi-server start", "a restart, such as after an update"]],
    exitCodes: [["1", "no server runs, or it did not end in time"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: there is nothing to do with this argument`);
    const seconds = secondsOf(parsed.text("timeout"));
    const folder = parsed.text("state-dir");
    const stateDir = stateFolder(io, folder === undefined ? {} : { stateDir: folder });
    const endpoint = await readEndpoint(io, stateDir);
    if (endpoint === undefined) throw new CommandError(`no server runs on this machine (${stateDir})`);
    const { pid } = endpoint;
    await makeSure(io, stateDir, endpoint);
    if (!io.signal(pid, parsed.has("now") ? "SIGKILL" : "SIGTERM")) {
      throw new CommandError(
        `process ${pid} does not accept a signal from this user; stop it as the user who started it`,
      );
    }
    const until = io.monotonic() + seconds * 1000;
    while (io.alive(pid) && (await readEndpoint(io, stateDir))?.pid === pid) {
      if (io.monotonic() >= until) {
        throw new CommandError(
          `process ${pid} is still finishing its turns after ${seconds} s; keep waiting, or use pi-server stop --now`,
        );
      }
      await io.delay(LOOK_MS);
    }
    await io.stdout.write(`pi-server has stopped (process ${pid})\n`);
    return EXIT_OK;
  },
};

// Does: connects a front (`pi-server rpc`, `pi-server acp`) to its server: one elsewhere, this machine's, a new one.
// Used by: the subcommands that another program starts. Uses: find_server.ts.
// Invariant: two fronts that start at once share one server; the state folder has one owner.
import { tryParseRecord } from "../../base/json.ts";
import type { Client, ClientOptions } from "../../client/mod.ts";
import { agentFolder } from "../../base/pi_folders.ts";
import { type Arguments, SERVER_FLAGS } from "../arguments.ts";
import {
  connectTo,
  findServer,
  type FoundServer,
  readEndpoint,
  serverOptions,
  stateFolder,
} from "../find_server.ts";
import { CommandError, type FlagSpec, type Io, UsageError } from "../subcommand.ts";

/** The flags of every front. */
export const FRONT_FLAGS: readonly FlagSpec[] = [
  ...SERVER_FLAGS,
  { name: "linger", value: "TIME", about: "how long a server that it starts outlives it, such as 10m (0)" },
  { name: "private", about: "use a server of its own, which no other client can reach" },
];

/** A connected front. */
export interface Front {
  readonly client: Client;
  /** Whether the server's folders are this machine's. */
  readonly local: boolean;
  /** Whether what runs may go on after the front. */
  readonly lingers: boolean;
}

const LOOK_MS = 50;
/** Milliseconds that another front's server gets to publish its address. */
const OTHER_MS = 60_000;

/** The folders that a server of a front opens: the user's home if the front stands in it, else its own folder. */
function rootOf(io: Io): string {
  const [home, cwd] = [io.home(), io.cwd()];
  return cwd === home || cwd.startsWith(`${home}/`) || cwd.startsWith(`${home}\\`) ? home : cwd;
}

/**
 * Finds or starts the server, and connects.
 *
 * @param parsed arguments that were read with `FRONT_FLAGS`
 * @param more options of the client
 * @param ownFlags flags for a server of its own
 * @throws {CommandError} one sentence with the next step
 */
export async function openFront(
  io: Io,
  parsed: Arguments,
  more: ClientOptions = {},
  ownFlags: readonly string[] = [],
): Promise<Front> {
  const options = serverOptions(parsed);
  const linger = parsed.text("linger");
  if (parsed.has("private")) {
    const named = ["server", "token-file", "state-dir", "linger"].find((name) => parsed.has(name));
    if (named !== undefined) throw new UsageError(`--private and --${named} exclude each other`);
    const sessions = parsed.text("session-dir");
    const env = sessions === undefined ? {} : { PI_CODING_AGENT_SESSION_DIR: io.absolute(sessions) };
    return { client: await ownServer(io, more, env, ownFlags), local: true, lingers: false };
  }
  const roots = [rootOf(io), io.join(agentFolder(io), "sessions")].flatMap((root) => ["--root", root]);
  const startFlags = ["--port", "0", "--linger", linger ?? "0", ...roots];
  let found: FoundServer;
  try {
    found = await findServer(quiet(io), { ...options, start: true, startFlags });
  } catch (error) {
    if (!(error instanceof CommandError) || options.server !== undefined) throw error;
    // Another front may have been quicker, whose server has not published its address yet.
    await whileOwned(io, stateFolder(io, options), error);
    found = await findServer(io, options);
  }
  const client = await connectTo(io, found, more);
  return { client, local: found.local, lingers: !found.started || (linger !== undefined && linger !== "0") };
}

/** Waits for the address of the server that owns the state folder. Throws `error` when none owns it. */
async function whileOwned(io: Io, folder: string, error: CommandError): Promise<void> {
  const until = io.monotonic() + OTHER_MS;
  while (io.monotonic() < until) {
    if ((await readEndpoint(io, folder))?.url !== undefined) return;
    const owner = tryParseRecord(await io.read(io.join(folder, "owner.json")).catch(() => undefined))
      ?.["pid"];
    if (typeof owner !== "number" || !io.alive(owner)) break;
    await io.delay(LOOK_MS);
  }
  if ((await readEndpoint(io, folder))?.url === undefined) throw error;
}

/** An editor shows what a front writes to stderr as a fault; a server that was started is none. */
function quiet(io: Io): Io {
  return { ...io, stderr: { ...io.stderr, write: () => Promise.resolve() } };
}

/** Starts a server as a child of the front. It ends with the front. */
async function ownServer(
  io: Io,
  more: ClientOptions,
  env: Record<string, string>,
  flags: readonly string[],
): Promise<Client> {
  const { spawn } = await import("../../client/mod.ts");
  const [command, ...prefix] = io.ownCommand();
  return await spawn({ ...more, command, prefix: [...prefix, ...flags], env });
}

// Finds the server that a subcommand talks to, starts one in the background where the subcommand may, and connects.
// Used by: every subcommand that talks to a server. Uses: the client (src/client), endpoint.json of the state folder.
//
//   const found = await findServer(io, { ...serverOptions(parsed), start: true });
//   await using client = await connectTo(io, found);
//
// `--server URL` names a server, with `--token-file`, PI_SERVER_TOKEN or PI_SERVER_TOKEN_FILE. Without it the server
// of this machine is meant: the one that endpoint.json in the state folder names. `start: true` starts one when none
// runs, and says so in one line on stderr.
// Invariant: there is never a second server over one state folder. The started server itself sees to that: it owns
// the folder or ends, and its last line says why.
import { errorMessage } from "../base/error_message.ts";
import { defined, isRecord } from "../base/json.ts";
import { PROTOCOL_VERSION, SERVER_VERSION } from "../protocol/version.ts";
import type { Client, ClientOptions } from "../client/mod.ts";
import type { Arguments } from "./arguments.ts";
import { CommandError, type Io, UsageError } from "./subcommand.ts";

/** What the flags say about the server. */
export interface ServerOptions {
  /** `--server`. */
  readonly server?: string;
  /** `--token-file`. */
  readonly tokenFile?: string;
  /** `--state-dir`. */
  readonly stateDir?: string;
}

/** What `findServer` may do. */
export interface FindOptions extends ServerOptions {
  /** Whether to start a server in the background when none runs on this machine. */
  readonly start?: boolean;
  /** Flags of a server that is started. */
  readonly startFlags?: readonly string[];
}

/** What `endpoint.json` says about the server of this machine. */
export interface Endpoint {
  readonly pid: number;
  readonly serverId: string;
  readonly version: string;
  /** Absent for a server over stdio alone. */
  readonly url?: string;
  readonly tokenFile?: string;
}

/** A server to connect to. */
export interface FoundServer {
  readonly url: string;
  /** Whether it is the server of this machine's state folder. */
  readonly local: boolean;
  /** The state folder that was looked at; of a server elsewhere, undefined. */
  readonly stateDir?: string;
  /** What endpoint.json says, of this machine's server. */
  readonly endpoint?: Endpoint;
  /** The token that was given; undefined where the client finds it in the state folder. */
  readonly token?: string;
  /** Whether it has been started just now. */
  readonly started: boolean;
}

/** Milliseconds that a server gets from its start to its address in endpoint.json. */
const START_MS = 60_000;
const LOOK_MS = 20;
const CONNECT_MS = 10_000;
const PROBE_MS = 3000;
/** Milliseconds without a connection after which a command of a script fails. */
const RECONNECT_MS = 30_000;
const LOG_NAME = "server.log";

/** The server's flags of a subcommand, from its arguments. */
export function serverOptions(parsed: Arguments): ServerOptions {
  const server = parsed.text("server");
  const tokenFile = parsed.text("token-file");
  const stateDir = parsed.text("state-dir");
  if (server !== undefined && stateDir !== undefined) {
    throw new UsageError("--server and --state-dir name two servers; leave one out");
  }
  return {
    ...(server === undefined ? {} : { server: webSocketUrl(server) }),
    ...defined({ tokenFile, stateDir }),
  };
}

/** The address as a WebSocket's: `127.0.0.1:3141` and `http://…` mean the same server. */
function webSocketUrl(text: string): string {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `ws://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const scheme = url?.protocol.replace(/^http/, "ws");
  if (url === undefined || (scheme !== "ws:" && scheme !== "wss:") || url.hostname === "") {
    throw new UsageError(`--server: expected an address such as ws://127.0.0.1:3141/, got "${text}"`);
  }
  return `${scheme}//${url.host}${url.pathname}${url.search}`;
}

/** The state folder that is meant. */
export function stateFolder(io: Io, { stateDir }: ServerOptions): string {
  return io.absolute(stateDir ?? io.env("PI_SERVER_STATE_DIR") ?? io.join(io.home(), ".pi", "server"));
}

/** Where a server in the background writes its log. */
export function logFileOf(io: Io, folder: string): string {
  return io.join(folder, LOG_NAME);
}

/** What `endpoint.json` says; undefined when no server that lives has left one. */
export async function readEndpoint(io: Io, folder: string): Promise<Endpoint | undefined> {
  const file = io.join(folder, "endpoint.json");
  let text: string | undefined;
  try {
    text = await io.read(file);
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${errorMessage(error)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
  if (!isRecord(value) || typeof value["pid"] !== "number" || !io.alive(value["pid"])) return undefined;
  const { pid, serverId, version, url, tokenFile } = value;
  return {
    pid,
    serverId: String(serverId),
    version: String(version),
    ...(typeof url === "string" ? { url } : {}),
    ...(typeof tokenFile === "string" ? { tokenFile } : {}),
  };
}

/** The token of `--token-file`; undefined when the flag was not given. */
async function givenToken(io: Io, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  let text: string | undefined;
  try {
    text = await io.readAny(io.absolute(file));
  } catch (error) {
    throw new CommandError(`--token-file: ${file} cannot be read: ${errorMessage(error)}`);
  }
  if (text === undefined) throw new CommandError(`--token-file: there is no file ${file}`);
  return text.trim();
}

/**
 * Finds the server. Throws `CommandError` when there is none, with the next step.
 *
 * @param options the flags, and whether to start one
 */
export async function findServer(io: Io, options: FindOptions): Promise<FoundServer> {
  const token = await givenToken(io, options.tokenFile);
  const given = token === undefined ? {} : { token };
  if (options.server !== undefined) {
    return { url: options.server, local: false, started: false, ...given };
  }
  const stateDir = stateFolder(io, options);
  const endpoint = await readEndpoint(io, stateDir);
  if (endpoint?.url !== undefined) {
    return { url: endpoint.url, local: true, stateDir, endpoint, started: false, ...given };
  }
  if (endpoint !== undefined) {
    throw new CommandError(
      `the server of ${stateDir} (process ${endpoint.pid}) speaks stdio only; ` +
        "talk to it through the program that started it, or choose another --state-dir",
    );
  }
  if (options.start !== true) {
    throw new CommandError(`no server runs on this machine (${stateDir}); start one with pi-server start`);
  }
  const flags = options.stateDir === undefined ? [] : ["--state-dir", stateDir];
  const started = await startServer(io, stateDir, [...flags, ...options.startFlags ?? []]);
  await io.stderr.write(
    `pi-server: started a server in the background: ${started.url}, process ${started.pid}, ` +
      `log ${logFileOf(io, stateDir)}\n`,
  );
  return { url: started.url, local: true, stateDir, endpoint: started, started: true, ...given };
}

/**
 * Starts a server in the background and waits for its address. Throws `CommandError` with the last line of its log
 * when it ends before that.
 *
 * @param flags the server's flags
 */
export async function startServer(
  io: Io,
  stateDir: string,
  flags: readonly string[],
): Promise<Endpoint & { readonly url: string }> {
  const logFile = logFileOf(io, stateDir);
  const before = (await io.read(logFile).catch(() => undefined))?.length ?? 0;
  const child = await io.startSelf(["--stdio", "off", ...flags], logFile);
  let ended = false;
  void child.ended.then(() => ended = true);
  const until = io.monotonic() + START_MS;
  while (!ended && io.monotonic() < until) {
    const found = await readEndpoint(io, stateDir);
    if (found?.url !== undefined && found.pid === child.pid) return { ...found, url: found.url };
    await io.delay(LOOK_MS);
  }
  const log = (await io.read(logFile).catch(() => undefined))?.slice(before) ?? "";
  const last = log.trim().split("\n").at(-1)?.replace(/^pi-server: /, "") ?? "";
  if (!ended) io.signal(child.pid, "SIGTERM");
  const why = ended ? last || "it ended without a message" : `it did not listen within ${START_MS / 1000} s`;
  throw new CommandError(`the server could not be started: ${why} (log ${logFile})`);
}

/**
 * Connects. Throws `CommandError` with one line that says which of address, token or version is wrong.
 *
 * @param more how the client behaves; by default it waits 30 seconds for a server that went away
 */
export async function connectTo(io: Io, found: FoundServer, more: ClientOptions = {}): Promise<Client> {
  const { connect } = await import("../client/mod.ts");
  const token = found.token ?? await tokenOfVariable(io);
  const place = found.local && found.stateDir !== undefined
    ? { stateDir: found.stateDir }
    : { url: found.url };
  let client: Client;
  try {
    client = await connect({
      connectTimeoutMs: CONNECT_MS,
      reconnectTimeoutMs: RECONNECT_MS,
      ...more,
      ...place,
      ...defined({ token }),
    });
  } catch (error) {
    throw new CommandError(await whyNot(io, found, token, error));
  }
  const { protocolVersion, version } = client.greeting.data;
  if (protocolVersion.split(".")[0] !== PROTOCOL_VERSION.split(".")[0]) {
    await client.close();
    throw new CommandError(
      `the server at ${found.url} (pi-server ${version}) speaks protocol ${protocolVersion}, and this program ` +
        `(${SERVER_VERSION}) speaks ${PROTOCOL_VERSION}; use the same version on both sides`,
    );
  }
  return client;
}

/** The token that the environment gives, as the client looks it up. */
async function tokenOfVariable(io: Io): Promise<string | undefined> {
  const own = io.env("PI_SERVER_TOKEN");
  if (own !== undefined) return own.trim();
  const file = io.env("PI_SERVER_TOKEN_FILE");
  if (file === undefined) return undefined;
  const text = await io.readAny(file).catch(() => undefined);
  if (text === undefined) throw new CommandError(`PI_SERVER_TOKEN_FILE: ${file} cannot be read`);
  return text.trim();
}

/** What is wrong with a certificate; undefined when a request failed for another reason. */
function certificateTrouble(failure: unknown): string | undefined {
  const cause: unknown = failure instanceof Error ? failure.cause : undefined;
  const said = [cause, failure].filter((error) => error !== undefined).map(errorMessage);
  const found = said.find((text) => /certificate|self.signed/i.test(text));
  // Deno's sentence begins with the address, which the line has already.
  return found?.replace(/^.*: (?=invalid peer certificate)/, "");
}

/** One line on why there is no connection: asks the same server over HTTP, which answers in more words. */
async function whyNot(
  io: Io,
  found: FoundServer,
  token: string | undefined,
  error: unknown,
): Promise<string> {
  const { url, local, endpoint, stateDir } = found;
  const page = new URL("metrics", url.replace(/^ws/, "http"));
  const file = endpoint?.tokenFile;
  const bearer = token ??
    (file === undefined ? undefined : (await io.read(file).catch(() => undefined))?.trim());
  let status: number;
  try {
    const answer = await fetch(page, {
      headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
      signal: AbortSignal.timeout(PROBE_MS),
      redirect: "manual",
    });
    status = answer.status;
    await answer.body?.cancel();
  } catch (failure) {
    const untrusted = certificateTrouble(failure);
    if (untrusted !== undefined) {
      return `the certificate of ${url} is not trusted (${untrusted}); name a file with the certificate of its ` +
        "authority in NODE_EXTRA_CA_CERTS, or in DENO_CERT where Deno is older";
    }
    if (!local) return `no server answers at ${url}; is it running there, and is the address right?`;
    return `the server of ${stateDir} (process ${endpoint?.pid}) does not answer at ${url}; ` +
      "look at it with pi-server doctor, or end it with pi-server stop";
  }
  if (status === 401) {
    if (bearer === undefined) {
      return `the server at ${url} asks for a token; give --token-file or PI_SERVER_TOKEN`;
    }
    return `the server at ${url} does not accept this token; it may be revoked or expired, or of another server`;
  }
  if (status === 404 || status >= 500) {
    // A proxy sends a page on to the address with the slash. A WebSocket does not follow.
    const slash = url.endsWith("/") ? "" : `; below a path of a proxy its address ends with a slash: ${url}/`;
    return `what answers at ${url} is not a pi-server (HTTP ${status})${slash}`;
  }
  return `the server at ${url} refused the connection: ${errorMessage(error)}`;
}

/** A sentence to add to an error when the server is older than this program; empty otherwise. */
export function olderServer(client: Client): string {
  const { version } = client.greeting.data;
  const parts = (text: string): number[] => text.split(/[.-]/).slice(0, 3).map(Number);
  const own = parts(SERVER_VERSION);
  const theirs = parts(version);
  const at = own.findIndex((part, index) => part !== theirs[index]);
  if (at < 0 || (theirs[at] ?? 0) > (own[at] ?? 0)) return "";
  return `; the server is pi-server ${version}, older than this program (${SERVER_VERSION}): restart it`;
}

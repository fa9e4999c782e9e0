// Does: builds the parts of a server in the order of need, and closes them in reverse. The composition root.
// Used by: the command line and mod.ts. Uses: every folder of the server thread.
// Invariant: before `router.open` no worker runs, and the router takes no command.
import { CleanupStack } from "../base/async/cleanup_stack.ts";
import { deferred } from "../base/async/deferred.ts";
import { defined } from "../base/json.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { Governor } from "../governor/governor.ts";
import { DISPOSE_MS } from "../governor/limits.ts";
import { protocolSchema } from "../protocol/json_schema.ts";
import { type Engine, PI_PACKAGES } from "../protocol/pi_package.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { checkAccess } from "./auth/network_access.ts";
import { TokenStore } from "./auth/token_store.ts";
import type { Cluster, ClusterParts } from "./cluster/cluster.ts";
import type { LastAnswers } from "./cluster/remote.ts";
import { addressOf, endpointsOf, greeting } from "./greeting.ts";
import { listenForHttp } from "./http_server.ts";
import { Linger } from "./linger.ts";
import { CommandJournal } from "./journal/command_journal.ts";
import { answerBytes } from "./lists/answer_bytes.ts";
import {
  CATALOGUE_HEAP_BYTES,
  catalogueParts,
  cataloguePermissions,
  indexFolder,
} from "./lists/catalogue_config.ts";
import { CatalogueLink, startCatalogueHere, startCatalogueThread } from "./lists/catalogue_link.ts";
import { PageCursors } from "./lists/page_cursors.ts";
import { SessionManager } from "./manager/session_manager.ts";
import { Router } from "./router/router.ts";
import { resolveSandbox, type SandboxState } from "./sandbox/sandbox_mode.ts";
import { Shutdown, type ShutdownResult } from "./shutdown.ts";
import { folderIssues, foldersInUse } from "./health/folder_health.ts";
import { inheritedSessions } from "./inherited_sessions.ts";
import { StoredSessions } from "./lists/stored_sessions.ts";
import { ArchiveStore } from "./state/archive_store.ts";
import { FileLeases } from "./state/file_leases.ts";
import { SessionStore } from "./state/session_store.ts";
import { StateFolder } from "./state/state_folder.ts";
import { TrustStore } from "./state/trust_store.ts";
import { openStdio, type Stdio } from "./stdio_session.ts";
import type { Endpoint, Transport } from "./transports/transport.ts";
import { resolveEngine } from "./workers/engine.ts";
import { startInProcess } from "./workers/in_process_worker.ts";
import { workerMemoryBytes } from "./workers/memory_monitor.ts";
import { workerConfig } from "./workers/worker_config.ts";
import { startWorkerThread } from "./workers/worker_link.ts";

/** What a server is built from. */
export interface ServerParts {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly log: Log;
  /** Entry of the thread that runs sessions. */
  readonly worker: URL;
  /** Given when stdio speaks the protocol. */
  readonly stdio?: Stdio;
  /** A token of the caller; without one the state folder's is used. */
  readonly token?: string;
  /** User and password of NATS. */
  readonly clusterLogin?: { readonly user: string; readonly password: string };
  /** No other program shares this process: every process that it starts is the server's, and ends with it. */
  readonly ownProcess?: boolean;
}

/** A server that runs. */
export interface RunningServer {
  /** The version of pi that its workers load. */
  readonly engine: Engine;
  readonly endpoints: readonly Endpoint[];
  readonly stateDir: string;
  /** Where the token is; absent when clients need none, or the caller gave one. */
  readonly tokenFile?: string;
  readonly shutdown: Shutdown;
  /** Resolves when the server has shut down, for any reason. */
  readonly closed: Promise<ShutdownResult>;
}

/** Milliseconds that peers get to read what is queued for them, and to say goodbye. */
const FAREWELL_MS = 2_000;

/** Milliseconds that workers get to count their busy sessions. */
const COUNT_MS = 1_000;

/** Path of the state folder. */
export function statePath(config: Config, runtime: Runtime): string {
  return runtime.absolute(config.stateDir ?? `${runtime.home()}/.pi/server`);
}

/** Starts a server. Throws `AccessError`, `SandboxError`, `StateFolderError` or `ListenError` when it cannot. */
export async function serve(parts: ServerParts): Promise<RunningServer> {
  const { config, runtime, log, token } = parts;
  checkAccess(config, token, log);
  const cleanup = new CleanupStack();
  cleanup.defer(() => runtime.releaseNextTick());
  try {
    return await build(parts, cleanup);
  } catch (error) {
    await cleanup.disposeAsync().catch(() => {});
    throw error;
  }
}

/** Builds in the order of need. Each part adds the step that closes it. */
async function build(parts: ServerParts, cleanup: CleanupStack): Promise<RunningServer> {
  const { config, runtime, log, stdio } = parts;
  const { files } = runtime;
  const folder = statePath(config, runtime);
  const { engine, notice, machine, httpProxy } = await resolveEngine(config.pi, runtime);
  // Only where newer files may lie about is it more than news.
  if (notice !== undefined && machine === undefined) log.info(notice);
  else if (notice !== undefined) log.warn(notice, { machine });
  const sandbox = await resolveSandbox(config, engine, runtime, parts.worker, folder);
  reportSandbox(sandbox, log);
  const time = runtime.keepTime();
  cleanup.defer(() => time.clear());

  const state = await StateFolder.open(folder, runtime);
  cleanup.defer(() => state.release());
  const serverTag = await state.adopt(log);
  if (parts.ownProcess === true) runtime.tagChildProcesses(serverTag);
  // A random name, so that no other user can make the folder first.
  const outputDir = files.join(runtime.temporary(), `pi-server-${runtime.randomHex(8)}`);
  cleanup.defer(() => files.removeFolder(outputDir).catch(() => {}));
  cleanup.defer(() => state.endOrphans(log));

  const sha256 = (text: string): string => runtime.sha256(text);
  const store = new SessionStore({
    files,
    clock: runtime,
    log,
    folder: files.join(folder, "sessions"),
    sha256,
  });
  cleanup.defer(() => store.close());
  const trust = new TrustStore();
  await trust.open({ files, file: files.join(folder, "trusted.json"), log });
  cleanup.defer(() => trust.saved());
  const { tokens, tokenFile } = await openTokens(parts, state);
  cleanup.defer(() => tokens.close());
  const journal = new CommandJournal({
    clock: runtime,
    log,
    limits: config.limits,
    sha256,
    mayBegin: () => cluster?.mayBegin(),
  });
  if (!config.ephemeral) await journal.open({ files, folder, policy: config.journalFsync });
  cleanup.defer(() => journal.close());

  const transports: Transport[] = [];
  const governor = new Governor(config.limits);
  const leases = new FileLeases({
    processes: runtime,
    log,
    host: runtime.hostname(),
    stateId: serverTag,
    endpoint: () => endpointsOf(transports)[0]?.url,
  });
  const cluster = await joinCluster(parts, {
    state: serverTag,
    governor,
    pi: PI_PACKAGES[engine].version,
    folder,
    local: {
      ids: () => sessions.sessionOrder("activity"),
      has: (id) => sessions.has(id),
      isCopy: (id) => sessions.isCopy(id),
    },
    sessions: {
      endAll: (reason) => sessions.endAll(reason),
      forget: (id) => sessions.forget(id),
    },
    heir: inheritedSessions({
      ...{ runtime, log, limits: config.limits, store, journal, leases },
      sessions: () => sessions,
      node: () => cluster?.node,
      announce: (sessionId, epoch) => {
        router.announce("session_crashed", { sessionId, status: "parked", epoch });
      },
    }),
    drain: (reason) => void shutdown.begin(reason, config.shutdownTimeoutMs),
  });
  cleanup.defer(() => cluster?.close());
  const memoryBytes = workerMemoryBytes(config.limits.hostMemoryBytes, runtime.memoryBounds());
  // Sessions that are isolated need threads.
  const threads = config.workers > 0 || config.isolation === "session";
  const sessions = new SessionManager({
    clock: runtime,
    uuid: () => runtime.uuid(),
    governor,
    log,
    journal,
    trust,
    leases,
    config: workerConfig({
      config,
      engine,
      httpProxy,
      runtime,
      trust,
      stateDir: folder,
      memoryBytes,
      outputDir,
      serverTag,
      node: cluster?.node,
    }),
    workers: config.workers,
    gateway: config.gateway,
    claims: cluster?.claims,
    lease: cluster?.lease,
    isolation: config.isolation,
    starts: runtime.processors(),
    ...(threads ? { memory: { limitBytes: memoryBytes, held: () => runtime.memory() } } : {}),
    start: !threads ? startInProcess(runtime, parts.ownProcess === true) : startWorkerThread({
      runtime,
      worker: parts.worker,
      permissions: sandbox.on ? sandbox.sandbox.permissions : undefined,
      heapBytes: 2 * memoryBytes,
      onExit: (processTag) => {
        // The end of the server ends what all workers have started.
        if (shutdown.phase !== "closing") void state.endOrphans(log, processTag);
      },
    }),
  });
  if (!config.ephemeral) await restore(sessions, store, journal, parts, cluster?.node);

  const serverId = runtime.uuid();
  const schema = protocolSchema();
  const schemaText = JSON.stringify(schema);
  const schemaHash = `sha256-${sha256(schemaText)}`;
  const transportNames = [...(config.ws ? ["websocket"] : []), ...(stdio === undefined ? [] : ["stdio"])];
  const archive = await ArchiveStore.open({ files, file: files.join(folder, "archived.json"), log });
  cleanup.defer(() => archive.saved());
  const catalogue = new CatalogueLink({
    clock: runtime,
    log,
    ...catalogueParts({ config, engine, runtime, stateDir: folder }),
    start: !threads ? startCatalogueHere(runtime) : startCatalogueThread(
      runtime,
      parts.worker,
      sandbox.on
        ? cataloguePermissions(sandbox.sandbox.permissions, indexFolder(runtime, folder))
        : undefined,
      CATALOGUE_HEAP_BYTES,
    ),
    owners: () => sessions.files.owners,
    archived: () => archive.paths,
    changed: (files, indexed) => router.announceCatalogue({ files, indexed }),
  });
  cleanup.defer(() => catalogue.close());
  sessions.files.onOwner = (file, sessionId) => catalogue.owner(file, sessionId);
  sessions.onWritten = (file) => catalogue.touched(file);
  sessions.askCatalogue = (read, ms) => catalogue.ask(read, ms);
  const cursors = new PageCursors({
    serverId: () => serverId,
    secret: runtime.randomHex(32),
    sha256,
    equalTexts: (a, b) => runtime.equalTexts(a, b),
  });
  const router = new Router({
    manager: sessions,
    cursors,
    stored: new StoredSessions({
      catalogue,
      archive,
      manager: sessions,
      cursors,
      answerBytes: answerBytes(config.limits.frameBytes),
      changed: (change, sessionFile) => router.announceCatalogue({ change, sessionFile }),
    }),
    governor,
    log,
    clock: runtime,
    greeting: () => greeting({ config, engine, serverId, schemaHash, transportNames, transports }),
    schema: { all: schema, hash: schemaHash },
    tokens: () => tokens,
    remote: cluster,
    folderIssues: () => folderIssues(files, foldersInUse(runtime, config.cwd ?? ".")),
  });
  cleanup.defer(() => router.close());
  tokens.revoked = (tokenId) => router.revoked(tokenId);
  cleanup.defer(() => Promise.all(transports.map((transport) => transport.close(FAREWELL_MS))));
  const closed = deferred<ShutdownResult>();
  const shutdown = makeShutdown({
    ...{ runtime, router, sessions, transports, cleanup },
    refusing: () => cluster?.refusing(),
    onClosed: closed.resolve,
  });
  if (cluster !== undefined) transports.push(await cluster.start(router, tokens));

  if (config.ws) {
    const ready = (): boolean => shutdown.phase === "running";
    const schema = (): string => schemaText;
    transports.push(await listenForHttp({ config, runtime, router, governor, tokens, ready, schema }));
  }
  // A client that finds the published address may send a command at once.
  router.open();
  journal.pruneOrphans((sessionId) => sessions.has(sessionId));
  if (config.lingerMs !== undefined) {
    const end = (): void => void shutdown.begin("no client is left", config.shutdownTimeoutMs);
    const linger = new Linger({
      clock: runtime,
      lingerMs: config.lingerMs,
      idle: () => sessions.whenIdle(),
      end,
    });
    cleanup.defer(() => linger.close());
    router.onConnections = (count) => linger.connections(count);
  }
  const endpoints = endpointsOf(transports);
  cluster?.announce(addressOf(endpoints[0]?.url, config.host, runtime.hostname()));
  await state.publish({
    pid: runtime.pid,
    serverId,
    version: SERVER_VERSION,
    transports: transportNames,
    ...defined({ url: endpoints[0]?.url, tokenFile }),
  });
  if (stdio !== undefined) {
    transports.push(openStdio(stdio, { config, runtime, log, router, sessions, shutdown }));
  }
  return { engine, endpoints, stateDir: folder, shutdown, closed: closed.promise, ...defined({ tokenFile }) };
}

/** Makes this server a node of its cluster. Undefined when it stands alone, and then nothing of NATS is loaded. */
async function joinCluster(
  { config, runtime, log, clusterLogin }: ServerParts,
  more: Pick<
    ClusterParts,
    "state" | "folder" | "governor" | "pi" | "local" | "sessions" | "heir" | "drain"
  >,
): Promise<Cluster | undefined> {
  const { cluster } = config;
  if (cluster === undefined) return undefined;
  const { Cluster, nodeName } = await import("./cluster/cluster.ts");
  return await Cluster.join({
    ...more,
    config,
    cluster,
    runtime,
    log,
    node: cluster.node ?? nodeName(runtime.hostname()),
    instance: runtime.randomHex(6),
    ...defined({ login: clusterLogin }),
  });
}

/** Reports which permissions workers have. */
function reportSandbox(state: SandboxState, log: Log): void {
  if (!state.on) return log.info("Deno's permissions do not limit sessions", { reason: state.reason });
  for (const warning of state.sandbox.warnings) log.warn(warning);
}

/** Opens the minted tokens, and finds the server's own: the caller's, else the state folder's. */
async function openTokens({ config, runtime, log, token }: ServerParts, state: StateFolder) {
  const fromFolder = config.auth && config.ws && token === undefined;
  const own = !config.auth ? undefined : fromFolder ? await state.token() : token;
  const file = runtime.files.join(state.path, "tokens.json");
  const tokens = await TokenStore.open({ runtime, log, file, ...defined({ own }) });
  return { tokens, tokenFile: fromFolder ? state.tokenFile : undefined };
}

/** Takes over the sessions of an earlier server, and saves these for a later one. */
async function restore(
  sessions: SessionManager,
  store: SessionStore,
  journal: CommandJournal,
  { config, log }: ServerParts,
  node: string | undefined,
): Promise<void> {
  // Outside of the cluster nothing tells whose a copied session is.
  const own = (await store.load(config.restore)).filter(({ copy }) => copy !== true || node !== undefined);
  const records = own.map((record) => {
    // The folder may have been another node's, or no node's.
    const { node: _node, ...info } = record.info;
    return journal.applyVersion({ ...record, info: { ...info, ...defined({ node }) } });
  });
  sessions.restore(store, records);
  if (records.length > 0) log.info("sessions of an earlier server are parked", { sessions: records.length });
}

interface ShutdownSteps {
  readonly runtime: Runtime;
  readonly router: Router;
  readonly sessions: SessionManager;
  readonly transports: readonly Transport[];
  readonly cleanup: CleanupStack;
  /** The server takes nothing new from now on. Returns what its clients wait for from other nodes of a cluster. */
  refusing(): LastAnswers | undefined;
  onClosed(result: ShutdownResult): void;
}

/** The shutdown of that server; `cleanup` closes what was built. */
function makeShutdown(
  { runtime, router, sessions, transports, cleanup, refusing, onClosed }: ShutdownSteps,
): Shutdown {
  let last: LastAnswers | undefined;
  return new Shutdown({
    clock: runtime,
    refuse: () => {
      last = refusing();
      router.refuse();
      for (const transport of transports) transport.refuse();
    },
    announce: (reason, timeoutMs) => router.announce("server_shutdown", { reason, timeoutMs }),
    idle: async () => void await Promise.all([sessions.whenIdle(), last?.whenAnswered()]),
    busy: (stop) => sessions.countBusy(stop, COUNT_MS),
    // Each session is bounded by itself; the second more is for the worker's answer.
    dispose: () => sessions.disposeAll(DISPOSE_MS + 1_000),
    close: () => {
      last?.farewell();
      return cleanup.disposeAsync();
    },
    closed: onClosed,
  });
}

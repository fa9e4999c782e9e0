// The composition root: builds the stages from a configuration and a runtime, ties them, and takes them
// apart again. No logic of its own beyond that.
import { BASE_PATH_RULE, basePathOf } from "../base/base_path.ts";
import { isLoopback } from "../base/loopback.ts";
import { type Config, openToOthers } from "../config/config.ts";
import { Governor } from "../governor/governor.ts";
import { DISPOSE_MS } from "../governor/limits.ts";
import type { Log } from "../base/log.ts";
import { folderIssues, foldersInUse } from "./state/folder_health.ts";
import { FileLeases } from "./state/file_leases.ts";
import { workerConfig } from "./workers/worker_config.ts";
import { startWorkerThread } from "./workers/worker_link.ts";
import { CommandJournal } from "./journal/command_journal.ts";
import { SessionManager } from "./manager/session_manager.ts";
import { workerMemoryBytes } from "./workers/memory_monitor.ts";
import { TokenStore } from "./auth/token_store.ts";
import { isUsableToken, TOKEN_RULE } from "./auth/token_rule.ts";
import { SessionStore } from "./state/session_store.ts";
import { StateFolder } from "./state/state_folder.ts";
import { protocolSchema } from "../protocol/json_schema.ts";
import type { Greeting } from "../protocol/schema/responses.ts";
import { CAPABILITIES, PI, PROTOCOL_VERSION, SERVER_VERSION } from "../protocol/version.ts";
import { TrustStore } from "./state/trust_store.ts";
import { resolveSandbox, type SandboxState } from "./sandbox/sandbox_mode.ts";
import { Router } from "./router/router.ts";
import type { ByteSink, Runtime, Timer, WorkerPermissions } from "../runtime/runtime.ts";
import { Shutdown, type ShutdownResult } from "./shutdown.ts";
import { StdioTransport } from "./transports/stdio.ts";
import type { Endpoint, Transport } from "./transports/transport.ts";
import { listenForHttp } from "./http_server.ts";
import { startInProcess } from "./workers/in_process_worker.ts";

/** What a server is built from. */
export interface ServerParts {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly log: Log;
  /** Entry of the worker that runs sessions. */
  readonly worker: URL;
  /** Given when stdio speaks the protocol. */
  readonly stdio?: { readonly input: ReadableStream<Uint8Array>; readonly output: ByteSink };
  /** A token from outside; else the state folder's is used. */
  readonly token?: string;
  /** Nobody else's code is in this process, so all that it starts is the server's, and ends with it. */
  readonly ownProcess?: boolean;
}

/** A server that runs. */
export interface RunningServer {
  readonly endpoints: readonly Endpoint[];
  readonly stateDir: string;
  /** Where the token is; absent when none is asked for, or it came from outside. */
  readonly tokenFile?: string;
  readonly shutdown: Shutdown;
  /** Resolves when the server has shut down, for whatever reason. */
  readonly closed: Promise<ShutdownResult>;
}

/** Thrown when the configuration would let in whom it must not. */
export class AccessError extends Error {
  override name = "AccessError";
}

/** Milliseconds that peers get to take what is queued for them, and to say goodbye. */
const FAREWELL_MS = 2_000;

/** Milliseconds that hosts get to count their busy sessions. */
const COUNT_MS = 1_000;

/** One server under construction; the fields are its stages. */
class Server {
  readonly #parts: ServerParts;
  readonly #serverId: string;
  readonly #governor: Governor;
  readonly #ledger: CommandJournal;
  readonly #manager: SessionManager;
  readonly #router: Router;
  readonly #transports: Transport[] = [];
  readonly #schemaText: string;
  readonly shutdown: Shutdown;
  readonly closed: Promise<ShutdownResult>;
  #state: StateFolder | undefined;
  #serverTag: string | undefined;
  #tokens: TokenStore | undefined;
  #store: SessionStore | undefined;
  #time: Timer | undefined;
  readonly #trust = new TrustStore();
  /** Folder for the logs of long shell outputs; a random name, so that no other user can make it first. */
  readonly #outputDir: string;
  #sandbox: SandboxState = { on: false, reason: "not started" };
  #closed: (result: ShutdownResult) => void = () => {};

  constructor(parts: ServerParts) {
    const { config, runtime, log } = parts;
    this.#parts = parts;
    this.#serverId = runtime.uuid();
    this.#outputDir = runtime.files.join(runtime.temporary(), `pi-server-${runtime.randomHex(8)}`);
    this.#governor = new Governor(config.limits);
    const hostBytes = workerMemoryBytes(config.limits.hostMemoryBytes, runtime.memoryBounds());
    // Sessions that are isolated need threads.
    const threads = config.workers > 0 || config.isolation === "session";
    const schema = protocolSchema();
    this.#schemaText = JSON.stringify(schema);
    this.#ledger = new CommandJournal({
      clock: runtime,
      log,
      limits: config.limits,
      sha256: (text) => runtime.sha256(text),
    });
    this.#manager = new SessionManager({
      ledger: this.#ledger,
      trust: this.#trust,
      clock: runtime,
      uuid: () => runtime.uuid(),
      governor: this.#governor,
      log,
      config: workerConfig({
        config,
        runtime,
        trust: this.#trust,
        stateDir: this.#statePath(),
        memoryBytes: hostBytes,
        outputDir: this.#outputDir,
        childMark: () => this.#serverTag,
      }),
      hosts: config.workers,
      isolation: config.isolation,
      ...(threads ? { memory: { limitBytes: hostBytes, held: () => runtime.memory() } } : {}),
      start: !threads ? startInProcess(runtime, parts.ownProcess === true) : startWorkerThread({
        runtime,
        worker: parts.worker,
        permissions: () => this.#permissions(),
        heapBytes: 2 * hostBytes,
        onExit: (mark) => void this.#killOrphans(mark),
      }),
    });
    const hash = `sha256-${runtime.sha256(this.#schemaText)}`;
    this.#router = new Router({
      manager: this.#manager,
      governor: this.#governor,
      log,
      clock: runtime,
      greeting: () => this.#greeting(hash),
      schema: { all: schema, hash },
      tokens: () => this.#tokens,
      folderIssues: () => folderIssues(runtime.files, foldersInUse(runtime, config.cwd ?? ".")),
    });
    this.shutdown = this.#makeShutdown();
    this.closed = new Promise((resolve) => this.#closed = resolve);
  }

  async start(): Promise<RunningServer> {
    const { config, runtime, token, log } = this.#parts;
    this.#checkAccess();
    const path = this.#statePath();
    await this.#resolveSandbox(path);
    const state = await StateFolder.open(path, runtime);
    this.#state = state;
    try {
      const stateId = await state.adopt(log);
      this.#serverTag = stateId;
      if (this.#parts.ownProcess === true) runtime.tagChildProcesses(stateId);
      if (!config.ephemeral) await this.#restore(path);
      this.#manager.useLeases(
        new FileLeases({
          processes: runtime,
          log,
          host: runtime.hostname(),
          stateId,
          endpoint: () => this.#endpoints()[0]?.url,
        }),
      );
      await this.#trust.open({ files: runtime.files, file: runtime.files.join(path, "trusted.json"), log });
      const ownToken = config.auth && config.ws && token === undefined;
      const asked = !config.auth ? undefined : ownToken ? await state.token() : token;
      this.#tokens = await TokenStore.open({
        runtime,
        log,
        file: runtime.files.join(path, "tokens.json"),
        ...(asked === undefined ? {} : { own: asked }),
      });
      this.#tokens.revoked = (tokenId) => this.#router.revoked(tokenId);
      if (config.ws) {
        const listening = await listenForHttp({
          config,
          runtime,
          router: this.#router,
          governor: this.#governor,
          tokens: this.#tokens,
          ready: () => this.shutdown.phase === "running",
          schema: () => this.#schemaText,
        });
        this.#transports.push(listening);
      }
      // Whoever finds the address may send a command at once.
      this.#router.open();
      this.#ledger.pruneOrphans((sessionId) => this.#manager.has(sessionId));
      await this.#publish(state, ownToken);
      this.#openStdio();
      this.#time = runtime.keepTime();
      return {
        endpoints: this.#endpoints(),
        stateDir: path,
        ...(ownToken ? { tokenFile: state.tokenFile } : {}),
        shutdown: this.shutdown,
        closed: this.closed,
      };
    } catch (error) {
      await state.release();
      runtime.releaseNextTick();
      throw error;
    }
  }

  /** Takes on what an earlier server has left, and keeps what comes for a later one. */
  async #restore(path: string): Promise<void> {
    const { config, runtime, log } = this.#parts;
    const { files } = runtime;
    await this.#ledger.open({ files, folder: path, policy: config.journalFsync });
    const folder = files.join(path, "sessions");
    const store = new SessionStore({
      files,
      clock: runtime,
      log,
      folder,
      sha256: (text) => runtime.sha256(text),
    });
    const records = (await store.load(config.restore)).map((record) => this.#ledger.applyVersion(record));
    this.#store = store;
    this.#manager.restore(store, records);
    if (records.length > 0) {
      log.info("sessions of an earlier server are parked", { sessions: records.length });
    }
  }

  #statePath(): string {
    return statePath(this.#parts.config, this.#parts.runtime);
  }

  /** What must not be, whoever built the configuration; and what an operator should know of. */
  #checkAccess(): void {
    const { config, token, log } = this.#parts;
    const open = openToOthers(config);
    if (open !== undefined) throw new AccessError(`auth: false ${open}`);
    if (basePathOf(config.basePath) !== config.basePath) {
      throw new AccessError(
        `basePath: "${config.basePath}" is not one without a slash at its end; it ${BASE_PATH_RULE}`,
      );
    }
    if (token !== undefined && !isUsableToken(token)) throw new AccessError(`token: ${TOKEN_RULE}`);
    if (!config.ws || isLoopback(config.host)) return;
    const how = "without encryption; put a TLS proxy in front, and --allow-host its name";
    log.warn(`OPEN TO THE NETWORK: other machines reach ${config.host}, port ${config.port}, ${how}`);
  }

  /** Finds out what hosts may do, and says so. */
  async #resolveSandbox(stateDir: string): Promise<void> {
    const { config, runtime, worker, log } = this.#parts;
    this.#sandbox = await resolveSandbox(config, runtime, worker, stateDir);
    if (!this.#sandbox.on) {
      return log.info("sessions are not held to Deno permissions", { reason: this.#sandbox.reason });
    }
    for (const warning of this.#sandbox.sandbox.warnings) log.warn(warning);
  }

  /** Ends what a host has left running; when the server ends, so does all of it. */
  async #killOrphans(mark: string): Promise<void> {
    if (this.shutdown.phase !== "closing") await this.#state?.endOrphans(this.#parts.log, mark);
  }

  #permissions(): WorkerPermissions | undefined {
    return this.#sandbox.on ? this.#sandbox.sandbox.permissions : undefined;
  }

  async #publish(state: StateFolder, ownToken: boolean): Promise<void> {
    const [endpoint] = this.#endpoints();
    await state.publish({
      pid: this.#parts.runtime.pid,
      serverId: this.#serverId,
      version: SERVER_VERSION,
      ...(endpoint === undefined ? {} : { url: endpoint.url }),
      transports: this.#transportNames(),
      ...(ownToken ? { tokenFile: state.tokenFile } : {}),
    });
  }

  #openStdio(): void {
    const { stdio, config, runtime, log } = this.#parts;
    if (stdio === undefined) return;
    this.#transports.push(
      new StdioTransport({
        clock: runtime,
        router: this.#router,
        frameBytes: config.limits.frameBytes,
        input: stdio.input,
        output: stdio.output,
        isRead: () => runtime.outputIsRead(),
        ended: (connection, spoken) => {
          // Beside a WebSocket, a parent that never spoke has merely closed what it didn't need.
          if (config.ws && config.stdio === "auto" && !spoken) return;
          log.info("end of input; finishing what was asked for");
          if (!config.ws) this.#manager.disableDialogs();
          void this.#finish(connection.drained(), () => [...connection.usedSessions]);
        },
        broken: () => {
          log.warn("nobody reads stdout any more; stopping");
          void this.shutdown.hurry("stdout was closed");
        },
        givenUp: () => {
          log.warn("stdout has not been read for too long; stopping");
          // No code can be told over a pipe: its end is what tells the parent that nothing more will come.
          void this.shutdown.begin("stdout is not read", config.shutdownTimeoutMs);
        },
      }),
    );
  }

  /** Waits for what the parent asked for, as long as `--eof-timeout` allows, then shuts down. */
  async #finish(quiet: Promise<void>, touched: () => string[]): Promise<void> {
    const { config, runtime } = this.#parts;
    const finished = quiet.then(() => this.#manager.whenIdle(touched())).then(() => true);
    let timer: Timer | undefined;
    const late = new Promise<boolean>((resolve) => {
      if (config.eofTimeoutMs !== undefined) {
        timer = runtime.after(config.eofTimeoutMs, () => resolve(false));
      }
    });
    const ended = await Promise.race([finished, late]);
    timer?.clear();
    if (ended) await this.shutdown.begin("end of input", config.shutdownTimeoutMs);
    else await this.shutdown.hurry("end of input");
  }

  #endpoints(): Endpoint[] {
    return this.#transports.flatMap((transport) => [...transport.endpoints]);
  }

  #transportNames(): string[] {
    const { config, stdio } = this.#parts;
    return [...(config.ws ? ["websocket"] : []), ...(stdio === undefined ? [] : ["stdio"])];
  }

  #greeting(schemaHash: string): Greeting {
    const { frameBytes, sessions } = this.#parts.config.limits;
    return {
      type: "server_ready",
      data: {
        version: SERVER_VERSION,
        protocolVersion: PROTOCOL_VERSION,
        serverId: this.#serverId,
        transports: this.#transportNames(),
        endpoints: this.#endpoints().map(({ transport, url }) => ({ transport, url })),
        schemaHash,
        pi: { package: PI.package, version: PI.version },
        capabilities: [...CAPABILITIES],
        limits: { frameBytes, sessions },
      },
    };
  }

  #makeShutdown(): Shutdown {
    return new Shutdown({
      clock: this.#parts.runtime,
      refuse: () => {
        this.#router.refuse();
        for (const transport of this.#transports) transport.refuse();
      },
      announce: (reason, timeoutMs) => this.#router.announce("server_shutdown", { reason, timeoutMs }),
      idle: () => this.#manager.whenIdle(),
      busy: (stop) => this.#manager.countBusy(stop, COUNT_MS),
      // Each session is bounded by itself; the second more is for the host's answer.
      dispose: () => this.#manager.disposeAll(DISPOSE_MS + 1_000),
      close: async () => {
        await Promise.all(this.#transports.map((transport) => transport.close(FAREWELL_MS)));
        this.#router.close();
        await this.#ledger.close();
        await Promise.all([this.#trust.saved(), this.#tokens?.close()]);
        await this.#store?.close();
        await this.#state?.endOrphans(this.#parts.log);
        await this.#parts.runtime.files.removeFolder(this.#outputDir).catch(() => {});
        await this.#state?.release();
        this.#time?.clear();
        this.#parts.runtime.releaseNextTick();
      },
      closed: (result) => this.#closed(result),
    });
  }
}

/** Path of the state folder. */
export function statePath(config: Config, runtime: Runtime): string {
  return runtime.absolute(config.stateDir ?? `${runtime.home()}/.pi/server`);
}

/** Starts a server. Throws `StateFolderError` or `ListenError` when it cannot. */
export function serve(parts: ServerParts): Promise<RunningServer> {
  return new Server(parts).start();
}

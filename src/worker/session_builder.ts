// Does: builds an agent for `create_session`, `load_session` or a parked session: checks paths and files, claims the file.
// Used by: session_worker.ts. Uses: the path guard, the file checker, and pi through AgentFactory.
// Invariant: it builds a few at a time. A build that takes too long fails, and its late agent is disposed.
import { errorMessage } from "../base/error_message.ts";
import { defined } from "../base/json.ts";
import { isSystemError } from "../base/system_errors.ts";
import { BUILD_MS } from "../protocol/schema/command_spec.ts";
import { type Command, type CommandOf, specOf } from "../protocol/schema/commands.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import type { FileRepair, SessionInfo } from "../protocol/schema/responses.ts";
import { BUILDS_AT_ONCE } from "../governor/limits.ts";
import { deadline } from "../base/async/deadline.ts";
import type { Files, Runtime } from "../runtime/runtime.ts";
import type { AgentFactory, AgentHooks, AgentPort, AgentRequest } from "./session/agent_port.ts";
import type { FileClaims } from "./file_claims.ts";
import type { WorkerConfig } from "../ipc/messages.ts";
import { fileInUse, type Outcome } from "../protocol/failures.ts";
import { FileChecker } from "./session/file_check/file_checker.ts";
import { IDS_SINCE } from "./session/file_check/entry_shape.ts";
import type { Inspected } from "./session/file_check/file_inspector.ts";
import { PathGuard } from "./session/files/path_guard.ts";
import type { AgentKept, SessionRecord } from "../ipc/session_record.ts";
import type { TrustedFolders } from "./trusted_folders.ts";
import { canonicalFile, readHeader, unmovedFile } from "./session/files/session_files.ts";
import type { SessionFiles } from "./session/files/session_file_access.ts";
import type { SessionHeader } from "./session/file_check/session_header.ts";

export interface SessionBuilderParts {
  readonly runtime: Runtime;
  readonly config: WorkerConfig;
  readonly factory: AgentFactory;
  readonly claims: FileClaims;
  readonly trusted: TrustedFolders;
  log(message: string, fields: Record<string, unknown>): void;
  /** An agent came too late. The receiver disposes it. */
  onLateAgent(agent: AgentPort): void;
}

/** Builds agents for one worker. */
export class SessionBuilder {
  readonly guard: PathGuard;
  readonly checker: FileChecker;
  readonly #parts: SessionBuilderParts;
  readonly #files: Files;
  readonly #waiting: (() => void)[] = [];
  #building = 0;

  constructor(parts: SessionBuilderParts) {
    this.#parts = parts;
    this.#files = parts.runtime.files;
    const { config, factory } = parts;
    const roots = config.roots ?? [config.cwd, ...factory.sessionFolders];
    this.guard = new PathGuard(this.#files, roots, config.closed, factory.sessionFolders);
    const { format } = factory;
    const { memoryBytes } = config;
    this.checker = new FileChecker({ files: this.#files, format, memoryBytes, log: parts.log });
  }

  /** The builder's parts that commands about files need. */
  get place(): Pick<SessionFiles, "guard" | "files" | "checker"> {
    return { guard: this.guard, files: this.#files, checker: this.checker };
  }

  /** Builds the agent of a command, when its turn has come and within its time. */
  build(command: Command, hooks: AgentHooks): Promise<Outcome<AgentPort>> {
    const { timeoutMs } = specOf(command.type);
    // A client's statement of trust counts from now on, if the build succeeds.
    const said = command.type === "create_session" ? command.trustProject : undefined;
    const built = ({ cwd }: AgentRequest): void => {
      if (said !== undefined) this.#parts.trusted.trust(cwd, said);
    };
    return this.#buildInSlot(command.type, timeoutMs, () => this.#request(command), hooks, built);
  }

  /** Builds a parked session again from its record. */
  resume(record: SessionRecord, hooks: AgentHooks): Promise<Outcome<AgentPort>> {
    return this.#buildInSlot("resuming", BUILD_MS, () => this.#restoredRequest(record), hooks);
  }

  async #buildInSlot(
    what: string,
    timeoutMs: number,
    wanted: () => Promise<Outcome<AgentRequest>>,
    hooks: AgentHooks,
    told: (request: AgentRequest) => void = () => {},
  ): Promise<Outcome<AgentPort>> {
    await this.#acquireSlot();
    const { runtime, log, onLateAgent, factory } = this.#parts;
    const request = async (): Promise<Outcome<AgentPort>> => {
      const found = await wanted();
      if (!found.ok) return found;
      const built = await factory.build(found.value, hooks);
      if (built.ok) told(found.value);
      return built;
    };
    const built = request().catch((error): Outcome<AgentPort> => {
      const message = reasonOf(error);
      log(`${what} failed: ${message}`, {});
      return { ok: false, failure: failure("agent_error", `pi could not build the session: ${message}`) };
    });
    const outcome = await deadline(runtime, timeoutMs, built, "late");
    this.#building--;
    this.#waiting.shift()?.();
    if (outcome !== "late") return outcome;
    void built.then((agent) => agent.ok ? onLateAgent(agent.value) : undefined);
    return { ok: false, failure: failure("timeout", `The session was not built within ${timeoutMs} ms`) };
  }

  /** The canonical path and the header of a client's session file. Does not check the content. */
  async identify(sessionPath: string): Promise<Outcome<{ path: string; header: SessionHeader }>> {
    const path = await this.guard.file(this.#parts.config.cwd, sessionPath);
    if (!path.ok) return path;
    const header = await readHeader(this.#files, path.value);
    return header.ok ? { ok: true, value: { path: path.value, header: header.value } } : header;
  }

  /** Checks the path and the content of a client's session file. */
  async inspect(sessionPath: string): Promise<Outcome<Inspected>> {
    const path = await this.guard.file(this.#parts.config.cwd, sessionPath);
    return path.ok ? await this.checker.inspect(path.value) : path;
  }

  /** The record of a session whose file is too large for pi, as of a parked one. `why` says so to clients. */
  async unloaded(
    { sessionPath, sessionId }: CommandOf<"load_session">,
    epoch: string,
    why: Failure,
  ): Promise<Outcome<SessionRecord>> {
    const { config, claims, trusted } = this.#parts;
    const found = await this.identify(sessionPath);
    if (!found.ok) return found;
    const { path, header } = found.value;
    // The entries of older files have no ids that a client could name.
    if (header.version < IDS_SINCE) return { ok: false, failure: why };
    const cwd = await this.guard.folder(config.cwd, header.cwd === "" ? config.cwd : header.cwd);
    if (!cwd.ok) return cwd;
    const owner = claims.liveSession(path);
    if (owner !== undefined) return { ok: false, failure: fileInUse(owner) };
    const { modifiedAt = 0 } = await this.#files.stat(path) ?? {};
    const changed = new Date(modifiedAt).toISOString();
    const created = Date.parse(header.timestamp);
    const modes = { steeringMode: "one-at-a-time", followUpMode: "one-at-a-time" } as const;
    const info: SessionInfo = {
      sessionId: sessionId ?? header.id,
      sessionFile: path,
      cwd: cwd.value,
      thinkingLevel: "off",
      isStreaming: false,
      isCompacting: false,
      ...modes,
      autoCompactionEnabled: true,
      messageCount: 0,
      pendingMessageCount: 0,
      createdAt: Number.isNaN(created) ? changed : new Date(created).toISOString(),
      lastActivityAt: changed,
      status: "parked",
      subscribers: 0,
      sessionVersion: 0,
      epoch,
      seq: 0,
      unloaded: why.message,
    };
    const kept: AgentKept = {
      thinkingLevel: "off",
      ...modes,
      autoCompaction: true,
      autoRetry: true,
      tools: [],
      trusted: trusted.has(cwd.value),
      written: true,
    };
    return { ok: true, value: { info, kept, file: path, inMemory: false } };
  }

  /** The canonical form of pi's own path of a session file, which may not exist yet. */
  async canonical(path: string): Promise<string> {
    return await canonicalFile(this.#files, path);
  }

  async #acquireSlot(): Promise<void> {
    if (this.#building >= BUILDS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#building++;
  }

  async #request(command: Command): Promise<Outcome<AgentRequest>> {
    if (command.type === "load_session") return await this.#loadRequest(command);
    if (command.type === "create_session") return await this.#newRequest(command);
    return { ok: false, failure: failure("internal", `${command.type} builds no session`) };
  }

  /** The request for a parked session: its file, or the path for one, and its record. */
  async #restoredRequest(record: SessionRecord): Promise<Outcome<AgentRequest>> {
    const { config, claims } = this.#parts;
    const { info, kept } = record;
    const { sessionId, sessionFile, sessionName } = info;
    const cwd = await this.guard.folder(config.cwd, info.cwd);
    if (!cwd.ok) return cwd;
    if (sessionFile === undefined) {
      return {
        ok: false,
        failure: failure("internal", `Session "${sessionId}" has no file to continue from`),
      };
    }
    const place = record.file ?? await this.canonical(sessionFile);
    const found = await unmovedFile(this.#files, this.guard, place, sessionFile);
    if (!found.ok) return found;
    const file = found.value;
    const owner = await claims.claim(sessionId, file);
    if (owner !== undefined && owner !== sessionId) {
      return { ok: false, failure: fileInUse(owner) };
    }
    // The server chose this path, and not a client. It may lie outside the roots.
    let repair: FileRepair | undefined;
    if (await this.#files.stat(file) !== undefined) {
      const inspected = await this.checker.inspect(file);
      if (!inspected.ok) return inspected;
      const still = await unmovedFile(this.#files, this.guard, file, sessionFile);
      if (!still.ok) return still;
      const ready = await this.checker.ready(inspected.value);
      if (!ready.ok) return ready;
      repair = ready.value;
    } else if (kept.written) {
      const sentence = `${file} is gone; put it back, or delete the session`;
      return { ok: false, failure: failure("path_not_found", sentence) };
    }
    const repaired = repair === undefined ? {} : { repair: { ...repair, file: sessionFile } };
    // pi has never opened it, so the record holds none of pi's state.
    if (info.unloaded !== undefined) {
      const request = { sessionFile, cwd: cwd.value, inMemory: false, trusted: kept.trusted };
      return { ok: true, value: { ...request, ...repaired } };
    }
    const named = sessionName === undefined ? {} : { sessionName };
    const base = { cwd: cwd.value, inMemory: false, trusted: kept.trusted, kept, ...named };
    const tools = kept.allowedTools === undefined ? {} : { tools: kept.allowedTools };
    return { ok: true, value: { ...base, ...tools, sessionFile, ...repaired } };
  }

  async #newRequest(command: CommandOf<"create_session">): Promise<Outcome<AgentRequest>> {
    const cwd = await this.#folder(command.cwd);
    if (!cwd.ok) return cwd;
    const { provider, modelId, thinkingLevel, tools, sessionName, inMemory, trustProject } = command;
    if ((provider === undefined) !== (modelId === undefined)) {
      const sentence = `"provider" and "modelId" go together; send both or neither`;
      return { ok: false, failure: failure("invalid_params", sentence) };
    }
    const request: AgentRequest = {
      cwd: cwd.value,
      inMemory: inMemory ?? false,
      trusted: trustProject ?? this.#parts.trusted.has(cwd.value),
      ...defined({ sessionName }),
      ...(provider === undefined || modelId === undefined ? {} : { model: { provider, id: modelId } }),
      ...defined({ thinkingLevel, tools }),
    };
    return { ok: true, value: request };
  }

  async #loadRequest(command: CommandOf<"load_session">): Promise<Outcome<AgentRequest>> {
    const { config, claims, trusted } = this.#parts;
    const found = await this.inspect(command.sessionPath);
    if (!found.ok) return found;
    const { path, header } = found.value;
    const cwd = await this.guard.folderOf(path, config.cwd, header.cwd === "" ? config.cwd : header.cwd);
    if (!cwd.ok) return cwd;
    const sessionId = command.sessionId ?? header.id;
    const owner = await claims.claim(sessionId, path);
    if (owner !== undefined && owner !== sessionId) {
      return { ok: false, failure: fileInUse(owner) };
    }
    const still = await this.guard.still(path);
    if (!still.ok) return still;
    const ready = await this.checker.ready(found.value);
    if (!ready.ok) return ready;
    const repaired = ready.value === undefined ? {} : { repair: ready.value };
    const request = { sessionFile: path, cwd: cwd.value, inMemory: false, trusted: trusted.has(cwd.value) };
    return { ok: true, value: { ...request, ...repaired } };
  }

  /** The session's folder. Without one, on a server started outside its roots, the first root. */
  async #folder(named: string | undefined): Promise<Outcome<string>> {
    const { config } = this.#parts;
    const cwd = await this.guard.folder(config.cwd, named ?? config.cwd);
    const [first] = config.roots ?? [];
    if (cwd.ok || named !== undefined || first === undefined) return cwd;
    return await this.guard.folder(config.cwd, first);
  }
}

/** The advice of Deno names flags that this server does not have. */
function reasonOf(error: unknown): string {
  const message = errorMessage(error);
  if (!isSystemError(error, "not in the sandbox")) return message;
  const needed = message.replace(/, run again with .*$/, "");
  return `${needed}, which the sandbox does not allow; restart the server if pi's settings have changed, ` +
    "or see --root, --allow-net and --sandbox";
}

// Does: runs shell commands as pi does, and reads their output at a bounded rate, no faster than it can be kept.
// Used by: tools.ts for the bash tool, and agent.ts for the commands of clients.
// Invariant: a command that floods slows down only itself. pi reads without a limit (docs/PI.md#tools-and-shells).
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { isSystemError } from "../../../base/system_errors.ts";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers";
import type * as Pi from "@mariozechner/pi-coding-agent";
import { pi } from "../engines/packages.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";
import { exitCodeOf, timeoutMsOf } from "../sdk/sdk.ts";
import type { ShellLogs } from "./shell_log.ts";
import { ShellOutput } from "./shell_output.ts";

/** Bytes that one command may produce at once. */
const BURST_BYTES = 1024 * 1024;
/** Bytes a second after that, for the bash tool. */
export const TOOL_BYTES_PER_SECOND: number = 16 * 1024 * 1024;
/** The same for a client's command, whose output goes to the server thread as events. */
const CLIENT_BYTES_PER_SECOND = 4 * 1024 * 1024;

/** Bytes that are collected into one piece. Deno 2.4 reads a few at a time. One read may add as many. */
const PIECE_BYTES = 64 * 1024;
/** Bytes of the first buffer. */
const FIRST_BYTES = 1024;

/** Milliseconds of silence after the end of the shell. Its children may hold its pipes open for ever. */
const SILENCE_MS = 100;
/** Milliseconds after which a child that is never silent is no longer read. */
const DRAIN_MS = 2_000;

/** How one command is run. */
export interface ShellRun {
  /** Takes a piece of the output. When the promise resolves, the next piece comes, maybe in the same memory. */
  onData(piece: Buffer): Promise<void> | void;
  readonly signal?: AbortSignal;
  /** Seconds. */
  readonly timeout?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs commands: the shell of this machine, or an extension. */
export interface ShellOperations {
  exec(command: string, cwd: string, run: ShellRun): Promise<{ exitCode: number | null }>;
}

/** Parts that all shells of a process share. */
export interface ShellParts {
  readonly clock: Clock;
  readonly logs: ShellLogs;
}

/** pi's environment for shells, with pi's own programs on the path. */
function shellEnv(): NodeJS.ProcessEnv {
  const own = join(pi.getAgentDir(), "bin");
  const name = Object.keys(process.env).find((key) => key.toLowerCase() === "path") ?? "PATH";
  const entries = (process.env[name] ?? "").split(delimiter).filter((entry) => entry !== "");
  const path = entries.includes(own) ? process.env[name] : [own, ...entries].join(delimiter);
  return { ...process.env, [name]: path };
}

/** Why no shell can start in that folder; a system blames the shell for it. */
function whyUnusable(cwd: string): string | undefined {
  try {
    if (!statSync(cwd).isDirectory()) return `The working directory is not a folder: ${cwd}`;
    accessSync(cwd, constants.X_OK);
    return undefined;
  } catch (error) {
    if (isSystemError(error, "denied")) return `The working directory may not be entered: ${cwd}`;
    return `Working directory does not exist: ${cwd}`;
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  if (process.platform === "win32") {
    spawn("taskkill", ["/F", "/T", "/PID", String(pid)], { stdio: "ignore", detached: true }).on(
      "error",
      () => {},
    );
    return;
  }
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, "SIGKILL");
      return;
    } catch {
      // There is no such group. Ends the process alone, if it still lives.
    }
  }
}

/** The shell of this machine, read at a bounded rate. */
export function localShell(
  clock: Clock,
  shellPath: string | undefined,
  bytesPerSecond: number,
): ShellOperations {
  return {
    async exec(command, cwd, { onData, signal, timeout, env }) {
      const timeoutMs = timeoutMsOf(timeout);
      if (signal?.aborted) throw new Error("aborted");
      const config = pi.getShellConfig(shellPath);
      const unusable = whyUnusable(cwd);
      if (unusable !== undefined) throw new Error(`${unusable}\nCannot execute bash commands.`);
      // The newer pi passes the command to some shells of Windows by their input.
      const byInput = Reflect.get(config, "commandTransport") === "stdin";
      const child = spawn(config.shell, byInput ? config.args : [...config.args, command], {
        cwd,
        detached: process.platform !== "win32",
        env: env ?? shellEnv(),
        stdio: [byInput ? "pipe" : "ignore", "pipe", "pipe"],
        windowsHide: true,
      });
      child.stdin?.on("error", () => {});
      child.stdin?.end(command);
      let timedOut = false;
      const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => {
        timedOut = true;
        killGroup(child);
      });
      const abort = (): void => killGroup(child);
      signal?.addEventListener("abort", abort, { once: true });
      try {
        const exitCode = await new Reading(clock, child, bytesPerSecond, onData).ended;
        if (signal?.aborted) throw new Error("aborted");
        if (timedOut) throw new Error(`timeout:${timeout}`);
        return { exitCode };
      } finally {
        timer?.clear();
        signal?.removeEventListener("abort", abort);
      }
    },
  };
}

/** A buffer that grows to what it has to hold, and is used again. */
class PieceBuffer {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  add(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = needed;
  }

  clear(): void {
    this.#length = 0;
  }
}

/** Reads the output of a child, piece by piece, until the child has ended and its pipes are empty. */
class Reading {
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  readonly #streams: readonly Readable[];
  readonly #take: (piece: Buffer) => Promise<void> | void;
  #open: number;
  #pieces = 0;
  /** What has been read. The other buffer holds what is being taken. */
  #read = new PieceBuffer();
  #taken = new PieceBuffer();
  #state: "idle" | "taking" = "idle";
  #taking: Promise<void> = Promise.resolve();
  #budget = BURST_BYTES;
  #countedAt: number;
  #exited: { readonly code: number | null } | undefined;
  #silence: Timer | undefined;
  #drain: Timer | undefined;
  #finish: (code: number | null) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(
    clock: Clock,
    child: ChildProcess,
    bytesPerSecond: number,
    take: (piece: Buffer) => Promise<void> | void,
  ) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#take = take;
    this.#countedAt = clock.monotonic();
    this.ended = new Promise((resolve, reject) => [this.#finish, this.#fail] = [resolve, reject]);
    this.#streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    this.#open = this.#streams.length;
    for (const stream of this.#streams) {
      stream.on("data", (piece: Buffer) => this.#add(piece));
      // A broken pipe counts as ended.
      stream.on("error", () => {});
      stream.once("close", () => {
        this.#open--;
        this.#check();
      });
    }
    child.once("error", (error) => this.#end(() => this.#fail(error)));
    child.once("exit", (code, signal) => {
      this.#exited = { code: exitCodeOf(code, signal) };
      this.#drain = clock.after(DRAIN_MS, () => this.#close());
      this.#check();
      this.#listen();
    });
  }

  /** Copies the piece, because each of Deno's has a buffer of 64 KiB behind it, also for a few bytes. */
  #add(piece: Buffer): void {
    this.#pieces++;
    this.#read.add(piece);
    if (this.#read.length >= PIECE_BYTES) { for (const stream of this.#streams) stream.pause(); }
    if (this.#state === "taking") return;
    this.#state = "taking";
    this.#taking = this.#takeAll().catch((error) => this.#end(() => this.#fail(error)));
  }

  /** Passes the output on in large pieces, because each piece costs an event. */
  async #takeAll(): Promise<void> {
    while (this.#read.length > 0) {
      [this.#read, this.#taken] = [this.#taken, this.#read];
      this.#read.clear();
      const piece = this.#taken.bytes;
      await this.#take(piece);
      const now = this.#clock.monotonic();
      const earned = (now - this.#countedAt) * this.#bytesPerSecond / 1000;
      this.#budget = Math.min(BURST_BYTES, this.#budget + earned) - piece.length;
      this.#countedAt = now;
      if (this.#budget < 0) {
        const ms = -this.#budget * 1000 / this.#bytesPerSecond;
        // The pipe fills meanwhile. Deno takes 64 KiB for each read, also for a few bytes, so few reads are better.
        for (const stream of this.#streams) stream.pause();
        await new Promise<void>((resolve) => void this.#clock.after(ms, resolve));
      }
      for (const stream of this.#streams) stream.resume();
    }
    this.#state = "idle";
    this.#check();
    this.#listen();
  }

  /** Waits for silence on the pipes after the end of the shell. */
  #listen(): void {
    this.#silence?.clear();
    if (this.#exited === undefined) return;
    const heard = this.#pieces;
    this.#silence = this.#clock.after(SILENCE_MS, () => {
      // Timers run before waiting input, so a thread that was busy must read the input first.
      setImmediate(() => {
        // Without reading there is silence, too. The end of the last piece listens again.
        if (this.#pieces === heard && this.#state === "idle") this.#close();
      });
    });
  }

  #check(): void {
    if (this.#open === 0 && this.#state === "idle") this.#close();
  }

  #close(): void {
    const exited = this.#exited;
    if (exited === undefined) return;
    void this.#taking.then(() => this.#end(() => this.#finish(exited.code)));
  }

  #end(settle: () => void): void {
    this.#silence?.clear();
    this.#drain?.clear();
    for (const stream of this.#streams) stream.destroy();
    settle();
  }
}

/** The result of a client's command, as pi records it. */
type BashResult = Parameters<Pi.AgentSession["recordBashResult"]>[1];

/** Runs the commands of a session's clients. */
export class ClientShell {
  readonly #parts: ShellParts;
  readonly #running = new Set<AbortController>();

  constructor(parts: ShellParts) {
    this.#parts = parts;
  }

  /** Like pi's `executeBash`. `operations` belong to an extension that runs the command elsewhere. */
  async run(
    session: Pi.AgentSession,
    command: string,
    onChunk: (chunk: string) => void,
    options: { readonly excludeFromContext?: boolean; readonly operations?: ShellOperations },
  ): Promise<BashResult> {
    const { settingsManager, sessionManager } = session;
    const shell = options.operations ??
      localShell(this.#parts.clock, settingsManager.getShellPath(), CLIENT_BYTES_PER_SECOND);
    const prefix = settingsManager.getShellCommandPrefix();
    const output = new ShellOutput(this.#parts.logs, true);
    const tell = (text: string): void => {
      if (text !== "") onChunk(text);
    };
    const controller = new AbortController();
    const { signal } = controller;
    this.#running.add(controller);
    let exitCode: number | undefined;
    try {
      const ended = await shell.exec(prefix ? `${prefix}\n${command}` : command, sessionManager.getCwd(), {
        signal,
        onData: (piece) => {
          const { text, taken } = output.push(piece);
          tell(text);
          return taken;
        },
      });
      exitCode = ended.exitCode ?? undefined;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#running.delete(controller);
      tell(await output.end());
    }
    const { content, truncation, fullOutputPath } = output.show();
    const cancelled = signal.aborted;
    const result: BashResult = {
      output: content,
      exitCode: cancelled ? undefined : exitCode,
      cancelled,
      truncated: truncation.truncated,
      ...(fullOutputPath === undefined ? {} : { fullOutputPath }),
    };
    session.recordBashResult(
      command,
      result,
      options.excludeFromContext === true ? { excludeFromContext: true } : {},
    );
    return result;
  }

  /** Ends all commands. */
  abort(): void {
    for (const controller of this.#running) controller.abort();
  }
}

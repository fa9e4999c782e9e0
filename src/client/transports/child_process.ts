// Does: a link to a server that is a child of this process, over its stdin and stdout (docs/PROTOCOL.md#framing).
// Used by: mod.ts, on Deno and on Node. The child finishes its commands and ends when its input ends.
import type { ChildProcess } from "node:child_process";
import { JsonlDecoder } from "../../protocol/jsonl.ts";
import { deferred } from "../../base/async/deferred.ts";
import type { Dial, Link } from "./link.ts";

/** How to start the server. */
export interface SpawnCommand {
  /** The program. Default: `pi-server`. */
  readonly command?: string;
  /** Arguments before `args`, for a program that runs another one, such as `run -A jsr:@pi/server` of Deno. */
  readonly prefix?: readonly string[];
  /** Its arguments. Default: `--no-ws`, and a state folder that lives as long as the child. */
  readonly args?: readonly string[];
  /** Its working directory. Default: this process's. */
  readonly cwd?: string;
  /** Variables beside this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gets the child's log. Default: this process's stderr. */
  readonly onLog?: (text: string) => void;
}

/** The most bytes of one message from the server, far above what it sends. */
const LINE_BYTES = 512 * 1024 * 1024;
/** Milliseconds that the child gets to end itself. */
const END_MS = 35_000;

/** Starts the child at each dial. */
export function childDial(options: SpawnCommand): Dial {
  return async (listener) => {
    const [{ spawn }, { mkdtemp, rm }, { tmpdir }, { join }, { default: process }] = await Promise.all([
      import("node:child_process"),
      import("node:fs/promises"),
      import("node:os"),
      import("node:path"),
      import("node:process"),
    ]);
    const { command = "pi-server", cwd, env, onLog } = options;
    // Another server may own the usual state folder.
    const folder = options.args === undefined ? await mkdtemp(join(tmpdir(), "pi-server-")) : undefined;
    const args = options.args ?? ["--no-ws", "--state-dir", folder ?? ""];
    const child = spawn(command, [...options.prefix ?? [], ...args], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", onLog === undefined ? "inherit" : "pipe"],
    });
    const gone = deferred<void>();
    const started = deferred<void>();
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      started.reject(new Error(reason));
      listener.closed(reason);
      const tidy = folder === undefined ? undefined : rm(folder, { recursive: true, force: true });
      void Promise.resolve(tidy).catch(() => {}).then(() => gone.resolve());
    };
    child.once("spawn", () => started.resolve());
    child.once("error", (error: Error) => end(`${command} cannot be started: ${error.message}`));
    // "close" comes after the last output. "exit" may come before it.
    child.once("close", (code, signal) => end(`${command} has ended with ${signal ?? `exit code ${code}`}`));
    // A child that is gone takes no input. "close" reports its end.
    child.stdin?.on("error", () => {});
    const decoder = new JsonlDecoder(LINE_BYTES);
    child.stdout?.on("data", (chunk: Uint8Array) => {
      for (const line of decoder.push(chunk)) if (line.kind === "line") listener.message(line.text);
    });
    const log = new TextDecoder();
    child.stderr?.on("data", (chunk: Uint8Array) => onLog?.(log.decode(chunk, { stream: true })));
    await started.promise;
    return linkOf(child, gone.promise);
  };
}

function linkOf(child: ChildProcess, gone: Promise<void>): Link {
  return {
    send: (text) => {
      child.stdin?.write(`${text}\n`);
    },
    close: async () => {
      child.stdin?.end();
      const timer = setTimeout(() => child.kill(), END_MS);
      await gone;
      clearTimeout(timer);
    },
  };
}

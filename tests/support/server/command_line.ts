// Runs a subcommand of the target as a person would: arguments, a home, and pipes that a case may close or read in
// part. Every child has a time, and is ended by its own process id.
import { commandOf, environment, type Home } from "./server_process.ts";
import { deadline } from "../base/wait.ts";

/** Program and arguments before a subcommand: the target's, without the flags of its server. */
export function programOf(): { program: string; args: string[] } {
  const { program, args } = commandOf();
  return { program, args: args.filter((arg) => !["--sandbox", "on"].includes(arg)) };
}

/** What came of a subcommand. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run it. */
export interface RunOptions {
  /** Text on stdin; without it stdin is /dev/null. */
  readonly input?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;

/** The variables of a person whose server is the one of that home. */
export function variables(home: Home, more: Record<string, string> = {}): Record<string, string> {
  return environment(home, { PI_SERVER_STATE_DIR: home.clientStateDir, ...more });
}

/** A subcommand that runs. */
export class Command {
  readonly child: Deno.ChildProcess;
  #stdout = "";
  #stderr = "";
  #changed = Promise.withResolvers<void>();
  readonly #read: Promise<unknown>;

  constructor(home: Home, args: readonly string[], options: RunOptions = {}) {
    const { program, args: before } = programOf();
    this.child = new Deno.Command(program, {
      args: [...before, ...args],
      cwd: options.cwd ?? home.root,
      clearEnv: true,
      env: variables(home, options.env),
      stdin: options.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (options.input !== undefined) void this.#write(options.input);
    this.#read = Promise.all([
      this.#collect(this.child.stdout, (text) => this.#stdout += text),
      this.#collect(this.child.stderr, (text) => this.#stderr += text),
    ]);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until stdout holds that. */
  async shows(text: string, timeoutMs = TIMEOUT_MS): Promise<void> {
    const said = (): string => `"${text}" on stdout; stdout: ${this.#stdout}, stderr: ${this.#stderr}`;
    const seen = async (): Promise<void> => {
      while (!this.#stdout.includes(text)) await this.#changed.promise;
    };
    await deadline(seen(), timeoutMs, said);
  }

  /** The end, waited for. */
  async end(timeoutMs = TIMEOUT_MS): Promise<Ran> {
    try {
      const said = (): string => `the end of the command; stdout: ${this.#stdout}, stderr: ${this.#stderr}`;
      const { code } = await deadline(this.child.status, timeoutMs, said);
      await this.#read;
      return { code, stdout: this.#stdout, stderr: this.#stderr };
    } catch (error) {
      this.child.kill("SIGKILL");
      throw error;
    }
  }

  async #write(text: string): Promise<void> {
    const writer = this.child.stdin.getWriter();
    // A program that reads none of it has closed the pipe.
    await writer.write(new TextEncoder().encode(text)).catch(() => {});
    await writer.close().catch(() => {});
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }
}

/** Runs a subcommand to its end. */
export async function command(home: Home, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return await new Command(home, args, options).end(options.timeoutMs);
}

/** Runs a line of shell, in which `pi-server` is the target. */
export async function shell(home: Home, line: string, options: RunOptions = {}): Promise<Ran> {
  const { program, args } = programOf();
  const quoted = [program, ...args].map((part) => `'${part}'`).join(" ");
  const child = new Deno.Command("bash", {
    args: ["-c", `pi-server() { ${quoted} "$@"; }\n${line}`],
    cwd: options.cwd ?? home.root,
    clearEnv: true,
    env: variables(home, options.env),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
  });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

// Terminals for tests: tmux draws what a program writes, and gives the screen as text. Each terminal is a tmux server
// by itself, on a socket of its own.

import { environment, type Home } from "../server/server_process.ts";
import { until } from "../base/wait.ts";

/** Whether tmux is there, in a version that can set a session's environment. */
export async function findTmux(): Promise<boolean> {
  try {
    const { success, stdout } = await new Deno.Command("tmux", { args: ["-V"], stderr: "null" }).output();
    const [, major, minor] = /(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
    return success && Number(major) * 100 + Number(minor) >= 302;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const SCREEN_MS = 20_000;
const open = new Set<string>();

/** A run of tmux; throws what it says when it fails. */
async function tmux(home: Home, socket: string, ...args: string[]): Promise<string> {
  const command = new Deno.Command("tmux", {
    args: ["-L", socket, "-f", "/dev/null", ...args],
    clearEnv: true,
    env: environment(home),
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`tmux ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

// A test run that ends early must not leave terminals behind.
globalThis.addEventListener("unload", () => {
  for (const socket of open) {
    new Deno.Command("tmux", { args: ["-L", socket, "kill-server"], stdout: "null", stderr: "null" })
      .outputSync();
  }
});

/** What runs in a terminal, and in which one. */
export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** One terminal with a shell that has run a program. */
export class Terminal implements AsyncDisposable {
  readonly #home: Home;
  readonly #name: string;
  #gone = false;

  private constructor(home: Home, name: string) {
    this.#home = home;
    this.#name = name;
  }

  /** Opens a terminal and runs the program in it; its exit code is printed after it as `exit code N`. */
  static async run(home: Home, command: readonly string[], options: TerminalOptions): Promise<Terminal> {
    const { columns = 80, rows = 24, cwd, env = {} } = options;
    // Test files run side by side in one process, so an id of the process is not enough.
    const name = `pi-server-test-${crypto.randomUUID().slice(0, 13)}`;
    open.add(name);
    const variables = Object.entries({ ...environment(home), TERM: "tmux-256color", ...env });
    // tmux gives the first program of a session its own PATH.
    const searched = env["PATH"] === undefined ? "" : `PATH=${quoted(env["PATH"])} `;
    const line = `${searched}${
      command.map(quoted).join(" ")
    }; echo "exit code $?"; exec sh -c 'PS1="done> " exec sh -i'`;
    await tmux(
      home,
      name,
      ...["new-session", "-d", "-x", String(columns), "-y", String(rows), "-c", cwd],
      ...variables.flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      line,
    );
    await tmux(home, name, "set-option", "-g", "status", "off");
    return new Terminal(home, name);
  }

  /** The screen as text, without blanks at the ends of lines; `styled` keeps colours and attributes. */
  async screen(styled = false): Promise<string> {
    const text = await this.#tmux("capture-pane", "-p", ...styled ? ["-e"] : []);
    return text.split("\n").map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  /** Waits until the screen holds all of that, and returns it. */
  async shows(...wanted: readonly (string | RegExp)[]): Promise<string> {
    const holds = (screen: string, one: string | RegExp): boolean =>
      typeof one === "string" ? screen.includes(one) : one.test(screen);
    let screen = "";
    return await until(
      async () => {
        screen = await this.screen();
        return wanted.every((one) => holds(screen, one)) && screen;
      },
      SCREEN_MS,
      () =>
        `the screen does not show ${wanted.filter((one) => !holds(screen, one)).join(" and ")}:\n${screen}`,
    );
  }

  /** Waits until the screen holds nothing of that. */
  async hides(unwanted: string): Promise<string> {
    let screen = "";
    return await until(
      async () => {
        screen = await this.screen();
        return !screen.includes(unwanted) && screen;
      },
      SCREEN_MS,
      () => `the screen still shows ${unwanted}:\n${screen}`,
    );
  }

  /** Presses keys by tmux's names, such as `Enter`, `M-s`, `C-d`. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#tmux("send-keys", key);
  }

  /** Types a text as it stands. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** Types a line and sends it. */
  async send(text: string): Promise<void> {
    await this.type(text);
    await this.press("Enter");
  }

  /** Pastes a text, in brackets where the program asked for them. */
  async paste(text: string): Promise<void> {
    await this.#tmux("set-buffer", text);
    await this.#tmux("paste-buffer", "-p", "-d");
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What tmux knows of the terminal, such as `#{alternate_on}` or `#{pane_tty}`. */
  async ask(format: string): Promise<string> {
    return (await this.#tmux("display-message", "-p", format)).trim();
  }

  /** The process ids of what the shell runs. */
  async children(): Promise<number[]> {
    const shell = await this.ask("#{pane_pid}");
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", shell] }).output();
    return new TextDecoder().decode(stdout).trim().split(/\s+/).filter((pid) => pid !== "").map(Number);
  }

  /** Closes the terminal, as a person closes its window. */
  async close(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    await this.#tmux("kill-server").catch(() => {});
    open.delete(this.#name);
  }

  #tmux(...args: string[]): Promise<string> {
    return tmux(this.#home, this.#name, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

// The port of a subcommand to the process that it runs in: streams, signals, files, time. Types only.
// Used by: src/cli. program_io.ts implements it for Deno and Node. A test hands a subcommand an Io of its own.
// Invariant: a subcommand touches the machine through its Io alone, so that it is the same on every build.
import type { Timer } from "../runtime.ts";

/** Thrown by a write when the other end of the pipe has closed. The dispatch ends the program quietly then. */
export class ReaderGoneError extends Error {
  override name = "ReaderGoneError";
}

/** Where a subcommand writes text. */
export interface Output {
  readonly isTerminal: boolean;
  /** The terminal's width as it is now; 80 where there is no terminal. */
  readonly columns: number;
  /** The terminal's height as it is now; 24 where there is no terminal. */
  readonly rows: number;
  /**
   * Writes the whole text, or all pieces of one, after everything written before it. A piece may be bytes in UTF-8.
   * Resolves once the system has taken it. Throws `ReaderGoneError` when the reader has closed its end.
   */
  write(text: string | readonly (string | Uint8Array)[]): Promise<void>;
  /** Whether a program still reads it, without a write; true where the system does not say. */
  isRead(): Promise<boolean>;
}

/** Where a subcommand reads from. */
export interface Input {
  readonly isTerminal: boolean;
  /** The bytes until the end of the input; nothing where stdin is closed. Read it once. */
  bytes(): AsyncIterable<Uint8Array>;
  /** Keys one by one, without echo (`true`), or lines (`false`). Only where `isTerminal`. */
  setRaw(on: boolean): void;
  /** Stops reading, so that an open input does not keep the process alive. */
  close(): void;
}

/** Signals that a subcommand may listen to. `SIGWINCH` says that the terminal has a new size. */
export type IoSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGWINCH";

/** A program that was started to outlive this one. */
export interface BackgroundProcess {
  readonly pid: number;
  /** Resolves with the exit code, or the signal's name, when it ends while this process is alive. */
  readonly ended: Promise<number | string>;
}

/** An image of the clipboard: PNG, JPEG, WebP or GIF. */
export interface ClipboardImage {
  readonly bytes: Uint8Array;
  readonly mimeType: string;
}

/** Why a terminal must be given back. */
export type TerminalEnd =
  | { readonly kind: "signal"; readonly name: "SIGINT" | "SIGTERM" | "SIGHUP" }
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "gone" };

/** The terminal of a person, for a screen that is drawn as a whole. */
export interface TerminalDevice {
  readonly columns: number;
  readonly rows: number;
  /**
   * From now on each key comes as it is typed, without an echo. `onEnd` says why the terminal must be given back:
   * a signal, an error that nothing caught, or that the terminal is gone.
   */
  open(onInput: (text: string) => void, onResize: () => void, onEnd: (reason: TerminalEnd) => void): void;
  write(text: string): void;
  /** Gives the terminal back as it was. `last` has left the process on return. */
  close(last: string): void;
}

/** The process of a subcommand. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** `deno`, `node`, or `binary` for the compiled program. */
  readonly build: "deno" | "node" | "binary";
  /** Version of that runtime, such as `2.9.6`. */
  readonly runtimeVersion: string;
  /** As Node names it: `linux`, `darwin`, `win32`. */
  readonly system: string;
  readonly pid: number;
  /** A variable of the environment; undefined when it is not set or empty. */
  env(name: string): string | undefined;
  home(): string;
  /** The working directory; throws when it is gone. */
  cwd(): string;
  /** The absolute form of a path. */
  absolute(path: string): string;
  join(...parts: string[]): string;
  /** The text of a regular file; undefined when there is none. Throws when it cannot be read. */
  read(path: string): Promise<string | undefined>;
  /** The text of what the path names, a pipe too; undefined when there is none. */
  readAny(path: string): Promise<string | undefined>;
  /** Mode bits, size and kind; undefined when there is nothing. */
  stat(
    path: string,
  ): Promise<{ readonly kind: "file" | "directory" | "other"; readonly mode: number } | undefined>;
  /** The bytes of a regular file; undefined when there is none. Throws when it has more than `most`. */
  readBytes(path: string, most: number): Promise<Uint8Array | undefined>;
  /** The terminal of stdin and stdout; undefined where one of them is none. */
  terminal(): TerminalDevice | undefined;
  /** Whether this user may write in that folder. */
  writable(path: string): Promise<boolean>;
  /** Calls `fn` at each such signal, in place of the signal's default action; returns what takes that back. */
  onSignal(name: IoSignal, fn: () => void): () => void;
  /** Sends a signal to another process; false when the system refuses. */
  signal(pid: number, name: "SIGTERM" | "SIGKILL"): boolean;
  /** Whether a process of that id is alive. */
  alive(pid: number): boolean;
  /** Bytes of memory that a process holds; undefined where the system does not say. */
  residentBytes(pid: number): Promise<number | undefined>;
  /** Tells two processes of the same id apart; undefined where the system does not say. */
  processStartId(pid: number): string | undefined;
  /** Whether this machine accepts a listener on that port of that address. */
  portFree(host: string, port: number): Promise<boolean>;
  /** A new random UUID. */
  uuid(): string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from some start, never going back. */
  monotonic(): number;
  after(ms: number, fn: () => void): Timer;
  /** Resolves after so many milliseconds. */
  delay(ms: number): Promise<void>;
  /** The command that starts this same program (this build, this version), without arguments. */
  ownCommand(): readonly [program: string, ...args: string[]];
  /**
   * Starts this same program (this build, this version) with other arguments, apart from this terminal, so that
   * it outlives this process. Its output is appended to `logFile`, which is made for the owner alone.
   */
  startSelf(args: readonly string[], logFile: string): Promise<BackgroundProcess>;
  /** The image in this machine's clipboard. Throws where no program can read the clipboard, and names one. */
  clipboardImage(): Promise<ClipboardImage | undefined>;
  /** Opens an address in the user's browser; false when no program for that was found. */
  browse(url: string): Promise<boolean>;
}

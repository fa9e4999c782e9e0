// What the server needs of the machine, as one interface. Everything else is handed an implementation by the
// entry (deno.ts, node.ts), so it runs the same on both, and in a simulated world in tests. Types only.

/** A timer that its owner can clear. */
export interface Timer {
  clear(): void;
}

/** Time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from some start, never going back; time in which the process stood still may be left out. */
  monotonic(): number;
  /** Calls `fn` once after `ms` milliseconds. */
  after(ms: number, fn: () => void): Timer;
}

/** What a path leads to, links followed. */
export interface FileStat {
  readonly kind: "file" | "directory" | "other";
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
}

/** A file that is written at its end. */
export interface GrowingFile {
  append(bytes: Uint8Array): Promise<void>;
  /** Forces what was appended to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Files. Missing things are `undefined`; whatever else goes wrong is thrown. */
export interface Files {
  stat(path: string): Promise<FileStat | undefined>;
  /** The canonical path, links resolved, or `undefined` when it does not exist. */
  realpath(path: string): Promise<string | undefined>;
  /** Whether this user may write there. */
  writable(path: string): Promise<boolean>;
  /** The text of a regular file, by its path or its `file:` URL; throws at once when it is a pipe or a device. */
  read(path: string | URL): Promise<string | undefined>;
  /** The text of whatever the path names, a file inside the binary too; waits for the writer of a pipe. */
  readAny(path: string | URL): Promise<string | undefined>;
  /** Names in a folder; none when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** The bytes of a regular file, piece by piece. Throws when it cannot be read. */
  chunks(path: string): AsyncIterable<Uint8Array>;
  /** Appends a line end when the file's last line has none. */
  ensureTrailingNewline(path: string): Promise<void>;
  /** Gives the second file the permissions of the first. */
  copyMode(from: string, to: string): Promise<void>;
  /** Writes through a temporary file and a rename, readable by the owner alone. */
  writePrivate(path: string, text: string): Promise<void>;
  /** Creates the file with that text, owner alone, in one step; false when the path is taken, even by a link. */
  createPrivate(path: string, text: string): Promise<boolean>;
  /** Creates the folder and its parents, and makes it 0700. */
  makePrivateFolder(path: string): Promise<void>;
  /** Whether the path itself is a symbolic link. */
  isLink(path: string): Promise<boolean>;
  /** Where a symbolic link points, as it is written there; `undefined` when the path is none. */
  readLink(path: string): Promise<string | undefined>;
  /**
   * The text of a file that is to be this user's alone, and is made so (0600). Never read through a link;
   * throws with the reason when it is one, no regular file, or somebody else's.
   */
  readPrivate(path: string): Promise<string>;
  /**
   * Writes a file at exactly that canonical path, in place of what is there: never through a link, nor into a
   * file that has another name too. False when the path leads elsewhere by now, or `replaces` spares the file, of
   * which it is given the first bytes. Nothing is written then, and a failure leaves no new file behind.
   */
  writeAt(path: string, text: string, replaces: (head: string) => boolean): Promise<boolean>;
  /** A new folder for temporary files, the owner's alone. */
  makeTemporaryFolder(): Promise<string>;
  /** Removes a folder with everything in it. */
  removeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name; throws when that is taken, or what has the first one is no file. */
  link(from: string, to: string): Promise<void>;
  /** Forces to the disk what a folder lists. */
  syncFolder(path: string): Promise<void>;
  /** Makes a new file, owner alone, in place of what is there; it grows by appending. */
  newFile(path: string): Promise<GrowingFile>;
  remove(path: string): Promise<void>;
  /** Joins and normalises. */
  join(...parts: string[]): string;
  /** Resolves `path` against `base` to an absolute path. */
  resolve(base: string, path: string): string;
  parent(path: string): string;
  /** The path that a `file:` URL names. */
  ofUrl(url: URL): string;
  /** The separator between parts of a path. */
  readonly separator: string;
}

/** Signals that the server listens to. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

/** A place to write bytes to; resolves when they were taken, rejects when nobody reads any more. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** What standard input is. */
export type InputKind = "terminal" | "null" | "closed" | "stream";

/** What a worker may do, where the runtime can tell: names of folders, hosts and kinds. */
export interface WorkerPermissions {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly net: readonly string[] | true;
  readonly run: boolean;
  readonly env: boolean;
  readonly sys: readonly string[];
  readonly ffi: boolean;
  readonly import: boolean;
}

/** A worker thread, and messages to and from it, in order. */
export interface WorkerHandle {
  post(message: unknown): void;
  onMessage: (message: unknown) => void;
  /** The worker is gone, with the reason where there is one. Called once. */
  onExit: (reason: string) => void;
  terminate(): void;
}

/** A worker's own end of its messages. */
export interface WorkerPort {
  post(message: unknown): void;
  listen(fn: (message: unknown) => void): void;
}

/** One HTTP request, as far as the server looks at it. Header names in lower case; none is dropped. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly peer: string;
}

/** An HTTP answer. */
export interface HttpAnswer {
  /** A 304 has no body, whatever stands there. */
  readonly status: number;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One end of an accepted WebSocket. */
export interface SocketHandle {
  send(text: string): void;
  /** Bytes handed over that have not reached the machine's network yet. */
  readonly buffered: number;
  close(code: number, reason: string): void;
  /** Stops reading until `resume`, so that the peer has to wait; false where the runtime cannot. */
  pause(): boolean;
  resume(): void;
  onText: (text: string) => void;
  onBinary: () => void;
  /** A message has more bytes than allowed, and the runtime is about to close for it: the last moment to answer. */
  onTooLarge: () => void;
  onClose: () => void;
  /** `buffered` has fallen. */
  onDrain: () => void;
}

/** What is to be done with a request: answer it, or make it a WebSocket. */
export type HttpVerdict =
  | { readonly kind: "answer"; readonly answer: HttpAnswer | Promise<HttpAnswer> }
  | {
    readonly kind: "upgrade";
    readonly protocol?: string;
    /** Milliseconds after which a peer is gone that answers no ping. */
    readonly peerSilentMs: number;
    readonly accept: (socket: SocketHandle) => void;
    /** The upgrade did not come about. */
    readonly abandon: () => void;
  };

/** A listening HTTP server. */
export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Stops listening and drops what is left of its sockets. */
  close(): Promise<void>;
}

/** Thrown by `serve` when the address cannot be had. */
export class ListenError extends Error {
  override name = "ListenError";
}

/** Memory that is held. */
export interface Memory {
  /** What this thread holds, in its heap and outside of it. */
  readonly ownBytes: number;
  /** What the whole process has in memory. */
  readonly residentBytes: number;
}

/** Memory that there is. */
export interface MemoryBounds {
  /** What the machine, or the container, has for all of its processes. */
  readonly machineBytes: number;
  /** The heap of one thread at which the engine ends the whole process; infinite where it ends that thread alone. */
  readonly fatalHeapBytes: number;
}

/** Everything that differs between Deno and Node. */
export interface Runtime extends Clock {
  /** From now on until it is cleared, the clock leaves out the time in which this whole thread stood still. */
  keepTime(): Timer;
  /** Calls `fn` in the next turn of the event loop, once what is there to be read has been read. */
  nextTick(fn: () => void): void;
  /** Lets go of what `soon` needs, until it is called again. */
  releaseNextTick(): void;
  readonly name: "deno" | "node";
  readonly files: Files;
  readonly pid: number;
  /** Marks the processes that will be started from here on, for `endChildren`. */
  tagChildProcesses(of: string): void;
  /** Marks those that this very thread will start as a host's too. */
  tagWorkerProcesses(host: string, of: string | undefined): void;
  /** Ends every process with that mark, or with both, wherever the system tells; returns how many there were. */
  endChildren(of: string, host?: string): Promise<number>;
  /** Memory, as this thread sees it. */
  memory(): Memory;
  memoryBounds(): MemoryBounds;
  /** Runs a program to its end and returns what it printed; throws when it failed or took longer. */
  output(command: readonly string[], withinMs: number): Promise<string>;
  /** The machine's name. */
  hostname(): string;
  /** Whether a process of that id is alive. */
  alive(pid: number): boolean;
  /** Tells two processes of the same id apart, where the system can. */
  processStartId(pid: number): string | undefined;
  /** A random UUID. */
  uuid(): string;
  randomHex(bytes: number): string;
  /** SHA-256 in base64. */
  sha256(text: string): string;
  /** Compares in time that does not depend on where the texts differ. */
  equalTexts(a: string, b: string): boolean;
  env(name: string): string | undefined;
  /** Names of all variables that are set. */
  envNames(): readonly string[];
  forgetEnv(name: string): void;
  /** The absolute form of a path. Throws for a relative one when the process's folder is gone. */
  absolute(path: string): string;
  /**
   * Makes absolute what the environment names, and moves the process to a folder that is always there; false where
   * that is denied.
   */
  stand(): boolean;
  home(): string;
  /** Calls `fn` at each such signal; returns what takes that back. */
  onSignal(name: SignalName, fn: () => void): () => void;
  /** Serves HTTP and WebSockets. No message may have more than `messageBytes`, where the runtime can hold it to that. */
  serve(
    hostname: string,
    port: number,
    messageBytes: number,
    decide: (request: HttpRequest) => HttpVerdict,
  ): Promise<Listener>;
  inputKind(): InputKind;
  stdin(): ReadableStream<Uint8Array>;
  stdout(): ByteSink;
  /** Whether standard output still has a reader, without a write; true where that cannot be found out. */
  outputIsRead(): Promise<boolean>;
  stderrIsTerminal(): boolean;
  writeError(text: string): void;
  /** From now on what JavaScript prints goes to stderr; `stdout()` made before this still reaches stdout. */
  guardStdout(): void;
  /**
   * How a worker can be held to permissions: `built-in` in the compiled binary, `flag` where Deno must have been
   * started with `--unstable-worker-options` (it ends the process otherwise), `never` on Node.
   */
  readonly sandbox: "built-in" | "flag" | "never";
  /** Folder for temporary files. */
  temporary(): string;
  /** Path of the program that runs this. */
  program(): string;
  /** Starts a worker; `heapBytes` is the most that its heap may hold, where the runtime can hold it to that. */
  spawn(worker: URL, permissions?: WorkerPermissions, heapBytes?: number): WorkerHandle;
  /** From now on code in this thread cannot end the process, nor can its errors; `exit` still does. */
  guardProcess(say: (text: string) => void): void;
  /**
   * From now on fetch in this thread goes through the proxies of the environment, trusts the certificates of
   * `NODE_EXTRA_CA_CERTS`, and waits for a silent answer without an end. Resolves before the first request may go out.
   */
  followProxies(warn: (text: string) => void): Promise<void>;
  exit(code: number): void;
  /** The program is done. From now on the process ends, whatever its threads still wait for. */
  ensureEnd(): void;
}

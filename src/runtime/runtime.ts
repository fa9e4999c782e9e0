// Does: the port to the machine, as one interface. Types only.
// Used by: everything; deno.ts and node.ts implement it, and the entry hands it on. Tests use a simulated one.

/** A timer that its owner can clear. */
export interface Timer {
  clear(): void;
}

/** Time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from some start, never going back. Standstills of the process may be left out. */
  monotonic(): number;
  /** The end of the last standstill of the process, by `monotonic`. Absent where none can be. */
  wokeAt?(): number;
  /** Calls `fn` once after `ms` milliseconds. */
  after(ms: number, fn: () => void): Timer;
}

/** The target of a path, after links. */
export interface FileStat {
  readonly kind: "file" | "directory" | "other";
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
  /** The number of the file on its disk. Another file in its place has another one. */
  readonly inode?: number;
}

/** A name in a folder, and what it is without following it. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "link" | "other";
}

/** A file that grows at its end. */
export interface GrowingFile {
  append(bytes: Uint8Array): Promise<void>;
  /** Forces the appended bytes to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Files. A missing file is `undefined`; every other error is thrown. */
export interface Files {
  stat(path: string): Promise<FileStat | undefined>;
  /**
   * Looks at many paths, some of them in each turn of the event loop. A path that cannot be looked at counts as missing.
   * A look without a promise costs a tenth, so this is for a thread that nothing else waits for.
   */
  statEach(paths: Iterable<string>, each: (path: string, stat: FileStat | undefined) => void): Promise<void>;
  /** The canonical path after links. `undefined` when it does not exist. */
  realpath(path: string): Promise<string | undefined>;
  /** Whether this user may write there. */
  writable(path: string): Promise<boolean>;
  /** The text of a regular file, by its path or `file:` URL. Throws at once for a pipe or a device. */
  read(path: string | URL): Promise<string | undefined>;
  /** The text of any path, also of a file inside the binary. Waits for the writer of a pipe. */
  readAny(path: string | URL): Promise<string | undefined>;
  /** Names in a folder. Empty when the folder is missing. */
  list(path: string): Promise<readonly string[]>;
  /** Names in a folder with their kinds. Empty when the folder is missing. */
  entries(path: string): Promise<readonly FolderEntry[]>;
  /** The bytes of a regular file from that place on, piece by piece. Throws when it cannot be read. */
  chunks(path: string, from?: number): AsyncIterable<Uint8Array>;
  /** Appends to a regular file that has exactly that size, never through a link. False when it has not. */
  appendAt(path: string, size: number, text: string): Promise<boolean>;
  /** At most so many bytes of a regular file from that place on. Fewer at its end. */
  part(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** Appends a line end when the last line has none. */
  ensureTrailingNewline(path: string): Promise<void>;
  /** Gives the second file the permissions of the first. */
  copyMode(from: string, to: string): Promise<void>;
  /** Writes through a temporary file and a rename, readable by the owner alone. */
  writePrivate(path: string, text: string): Promise<void>;
  /** Creates the file in one step, for the owner alone. False when the path is taken, even by a link. */
  createPrivate(path: string, text: string): Promise<boolean>;
  /** Creates the folder and its parents, and makes it 0700. */
  makePrivateFolder(path: string): Promise<void>;
  /** Whether the path itself is a symbolic link. */
  isLink(path: string): Promise<boolean>;
  /** The target of a symbolic link, as written. `undefined` when the path is not a link. */
  readLink(path: string): Promise<string | undefined>;
  /**
   * The text of a file that must belong to this user alone, and is made so (0600). It does not follow a link. Throws
   * with the reason for a link, for a file of another kind, and for a file of another user.
   */
  readPrivate(path: string): Promise<string>;
  /**
   * Replaces the file at exactly that canonical path, never through a link, nor into a file with another name. False
   * when the path leads elsewhere by now, or `replaces` refuses after it got the first bytes. Nothing is written then,
   * and a failure leaves no new file.
   */
  writeAt(path: string, bytes: Uint8Array, replaces: (head: string) => boolean): Promise<boolean>;
  /** A new temporary folder for the owner alone. */
  makeTemporaryFolder(): Promise<string>;
  /** Removes a folder with everything in it. */
  removeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name. Throws when the name is taken, or the first name is not a file. */
  link(from: string, to: string): Promise<void>;
  /** Forces the list of a folder to the disk. */
  syncFolder(path: string): Promise<void>;
  /** Makes a new file for the owner alone, in place of an old one. It grows by appending. */
  newFile(path: string): Promise<GrowingFile>;
  remove(path: string): Promise<void>;
  /** Joins and normalises. */
  join(...parts: string[]): string;
  /** Resolves `path` against `base` to an absolute path. */
  resolve(base: string, path: string): string;
  parent(path: string): string;
  /** The path of a `file:` URL. */
  ofUrl(url: URL): string;
  /** The separator between parts of a path. */
  readonly separator: string;
}

/** Signals that the server listens to. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

/** A place for bytes. Resolves when they were taken, rejects when the reader has gone. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** The kind of standard input. */
export type InputKind = "terminal" | "null" | "closed" | "stream";

/** Permissions of a worker: names of folders, hosts and kinds. */
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
  /** Called once when the worker is gone, with the reason if there is one. */
  onExit: (reason: string) => void;
  terminate(): void;
}

/** A worker's own end of its messages. */
export interface WorkerPort {
  post(message: unknown): void;
  listen(fn: (message: unknown) => void): void;
}

/** One HTTP request, as the server reads it. Header names are in lower case, and none is dropped. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly peer: string;
}

/** An HTTP answer. */
export interface HttpAnswer {
  /** A 304 has no body, whatever the field holds. */
  readonly status: number;
  /** A stream names its length in `headers`. */
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One end of an accepted WebSocket. */
export interface SocketHandle {
  send(text: string): void;
  /** Bytes that were sent and have not reached the machine's network yet. */
  readonly buffered: number;
  close(code: number, reason: string): void;
  /** Stops reading until `resume`, so that the peer must wait. False where the runtime cannot. */
  pause(): boolean;
  resume(): void;
  onText: (text: string) => void;
  onBinary: () => void;
  /** A message is too large, and the runtime is about to close for it: the last moment to answer. */
  onTooLarge: () => void;
  onClose: () => void;
  /** `buffered` has fallen. */
  onDrain: () => void;
}

/** The verdict on a request: answer it, or make it a WebSocket. */
export type HttpVerdict =
  | { readonly kind: "answer"; readonly answer: HttpAnswer | Promise<HttpAnswer> }
  | {
    readonly kind: "upgrade";
    readonly protocol?: string;
    /** Milliseconds after which a peer that answers no ping is dropped. */
    readonly peerSilentMs: number;
    readonly accept: (socket: SocketHandle) => void;
    /** The upgrade has failed. */
    readonly abandon: () => void;
  };

/** A listening HTTP server. */
export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Stops listening and drops the rest of its sockets. */
  close(): Promise<void>;
}

/** Thrown by `serve` when the address is not available. */
export class ListenError extends Error {
  override name = "ListenError";
}

/** Used memory. */
export interface Memory {
  /** Memory of this thread, inside and outside of its heap. */
  readonly ownBytes: number;
  /** Memory of the whole process. */
  readonly residentBytes: number;
}

/** The limits of memory. */
export interface MemoryBounds {
  /** Memory of the machine, or of the container, for all processes. */
  readonly machineBytes: number;
  /**
   * The heap of one thread at which the engine ends the whole process. Infinite where it ends that thread
   * alone.
   */
  readonly fatalHeapBytes: number;
}

/** The bytes of texts and images. */
export interface ContentBytes {
  /** SHA-256 in hexadecimal digits. A text counts as UTF-8. */
  hash(content: string | Uint8Array): string;
  /** The bytes of a text as UTF-8. */
  encode(text: string): Uint8Array;
  /** The number of these bytes. */
  size(text: string): number;
  /** The bytes of a text in base64. Ignores other characters. */
  fromBase64(text: string): Uint8Array;
  toBase64(bytes: Uint8Array): string;
}

/** Everything that differs between Deno and Node. */
export interface Runtime extends Clock {
  /** The clock leaves out standstills of this thread until the returned timer is cleared. */
  keepTime(): Timer;
  /** Milliseconds from some start of this thread, never going back. Standstills of the process count. */
  steady(): number;
  /** Calls `fn` in the next turn of the event loop, after waiting input has been read. */
  nextTick(fn: () => void): void;
  /** Releases the resources of `nextTick` until its next call. */
  releaseNextTick(): void;
  readonly name: "deno" | "node";
  readonly files: Files;
  readonly pid: number;
  /** Marks later child processes, for `endChildren`. */
  tagChildProcesses(of: string): void;
  /** Marks later child processes of this thread as those of one worker too. */
  tagWorkerProcesses(worker: string, of: string | undefined): void;
  /** Ends every process with that mark, or with both, where the system reports them. Returns their number. */
  endChildren(of: string, worker?: string): Promise<number>;
  /** Memory, as this thread sees it. */
  memory(): Memory;
  memoryBounds(): MemoryBounds;
  /** How many threads can run at the same time. */
  processors(): number;
  /** How busy the machine's processors were in the last minute: 1 is all of them. 0 where that is unknown. */
  load(): number;
  /** Runs a program to its end and returns its output. Throws when it fails or takes longer. */
  output(command: readonly string[], withinMs: number): Promise<string>;
  /** The machine's name. */
  hostname(): string;
  /** Whether a process with that id is alive. */
  alive(pid: number): boolean;
  /** Tells two processes with the same id apart, where the system can. */
  processStartId(pid: number): string | undefined;
  /** A random UUID. */
  uuid(): string;
  randomHex(bytes: number): string;
  readonly content: ContentBytes;
  /** SHA-256 in base64. */
  sha256(text: string): string;
  /** Compares in constant time. */
  equalTexts(a: string, b: string): boolean;
  env(name: string): string | undefined;
  /** Names of all variables that are set. */
  envNames(): readonly string[];
  forgetEnv(name: string): void;
  /** The absolute form of a path. Throws for a relative one when the process's folder is gone. */
  absolute(path: string): string;
  /**
   * Makes absolute the paths in the environment, and moves the process to a folder that always exists. False where
   * that is denied.
   */
  stand(): boolean;
  home(): string;
  /** Calls `fn` at each such signal. Returns a function that removes the listener. */
  onSignal(name: SignalName, fn: () => void): () => void;
  /**
   * Serves HTTP and WebSockets. No message may have more than `messageBytes`, where the runtime can enforce it.
   */
  serve(
    hostname: string,
    port: number,
    messageBytes: number,
    decide: (request: HttpRequest) => HttpVerdict,
  ): Promise<Listener>;
  inputKind(): InputKind;
  stdin(): ReadableStream<Uint8Array>;
  stdout(): ByteSink;
  /** Whether standard output still has a reader, without a write. True where that is unknown. */
  outputIsRead(): Promise<boolean>;
  stderrIsTerminal(): boolean;
  writeError(text: string): void;
  /** Sends the output of JavaScript to stderr. A `stdout()` made before still reaches stdout. */
  guardStdout(): void;
  /**
   * A stdout for the protocol alone: from now on descriptor 1 is stderr, for all threads and child processes.
   * Undefined where the runtime cannot do that; then nothing has changed.
   */
  protocolOutput(): ByteSink | undefined;
  /**
   * How permissions limit a worker: `built-in` in the compiled binary, `flag` where Deno must have been started with
   * `--unstable-worker-options` (it ends the process otherwise), `never` on Node.
   */
  readonly sandbox: "built-in" | "flag" | "never";
  /** The version of Deno or Node. */
  readonly version: readonly [major: number, minor: number];
  /** Folder for temporary files. */
  temporary(): string;
  /** The path of the program that runs this. */
  program(): string;
  /** Starts a worker. `heapBytes` limits its heap, where the runtime can enforce it. */
  spawn(worker: URL, permissions?: WorkerPermissions, heapBytes?: number): WorkerHandle;
  /** From now on code in this thread, or its errors, cannot end the process. `exit` still does. */
  guardProcess(say: (text: string) => void): void;
  /**
   * From now on fetch in this thread goes through the proxies of the environment, trusts the certificates of
   * `NODE_EXTRA_CA_CERTS`, and waits for a silent answer without an end. Resolves before the first request may go out.
   *
   * @param proxy the one to use where the environment names none; shells see it, too
   */
  followProxies(warn: (text: string) => void, proxy?: string): Promise<void>;
  /** From now on this thread keeps the compiled code of modules there, where the runtime does not do so by itself. */
  keepCompiledCode(folder: string): void;
  exit(code: number): void;
  /** The program is done. The process ends from now on, even when threads still wait. */
  ensureEnd(): void;
}

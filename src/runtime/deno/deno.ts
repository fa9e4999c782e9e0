// Does: the runtime on Deno: HTTP with upgradeWebSocket, web-stream stdio, web workers.
// Used by: mod.ts and worker.ts. Uses: common.ts and http_listener.ts.
import { errorMessage } from "../../base/error_message.ts";
import process from "node:process";
import { getHeapStatistics } from "node:v8";
import { common, machineBytes, versionOf } from "../common.ts";
import { patchExitCodes } from "./exit_codes.ts";
import { listen, type Reply } from "./http_listener.ts";
import { mendFileModes } from "./file_modes.ts";
import { FREE_NAME, HELD_NAME } from "./nested_workers.ts";
import { NextTick } from "./next_tick.ts";
import { followProxies } from "./outgoing_requests.ts";
import { type ProtocolOutput, separateStdout } from "./protocol_output.ts";
import { standAgain } from "../working_directory.ts";
import {
  type ByteSink,
  type HttpRequest,
  type HttpVerdict,
  type Listener,
  ListenError,
  type Runtime,
  type SocketHandle,
  type WorkerHandle,
  type WorkerPermissions,
  type WorkerPort,
} from "../runtime.ts";

/** Milliseconds between two checks of a socket whose peer reads slowly. Deno reports no progress. */
const DRAIN_POLL_MS = 5;

/** Deno's names for facts about the system. */
const SYS_KINDS = [
  ...["cpus", "gid", "homedir", "hostname", "loadavg"] as const,
  ...["osRelease", "osUptime", "systemMemoryInfo", "uid"] as const,
];

const turns = new NextTick();

/**
 * Milliseconds that a closing socket waits for its peer to read the rest, and then to be silent. Deno drops a close
 * frame that is not out yet, and ends the connection without a code, as soon as a message arrives.
 */
const [TAKING_MS, SILENCE_MS] = [10_000, 250];

/** Messages that a closing socket drops before it closes at once, because its peer does not stop. */
const MOST_DROPPED = 10_000;

/** Waiting bytes from which a socket is checked in every turn. */
const MUCH_BYTES = 8 * 1024;

class DenoSocket implements SocketHandle {
  onText: (text: string) => void = () => {};
  onBinary: () => void = () => {};
  onTooLarge: () => void = () => {};
  onClose: () => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: WebSocket;
  #poll: ReturnType<typeof setTimeout> | undefined;
  #looking: "no" | "soon" | "later" = "no";
  /** Waiting bytes if none has left since the last check. */
  #due = 0;
  #goesOn = true;
  #leaving = false;
  #parting: ReturnType<typeof setTimeout> | undefined;
  /** Whether a message has arrived since the last check of a closing socket. */
  #spoken = false;
  #dropped = 0;
  /** Code and reason of a closing socket. */
  #farewell: [code: number, reason: string] = [1000, ""];

  constructor(socket: WebSocket, opened: (socket: SocketHandle) => void, abandoned: () => void) {
    this.#socket = socket;
    let open = false;
    socket.onopen = () => {
      open = true;
      opened(this);
    };
    socket.onmessage = (event) => {
      if (this.#leaving) {
        this.#spoken = true;
        if (++this.#dropped === MOST_DROPPED) socket.close(...this.#farewell);
        return;
      }
      if (typeof event.data === "string") this.onText(event.data);
      else this.onBinary();
    };
    // A close always follows an error.
    socket.onerror = () => {};
    socket.onclose = () => {
      clearTimeout(this.#poll);
      clearTimeout(this.#parting);
      if (open) this.onClose();
      else abandoned();
    };
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#leaving || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(text);
    this.#due += text.length;
    this.#watch();
  }

  /** Deno cannot stop reading. */
  pause(): boolean {
    return false;
  }

  resume(): void {}

  close(code: number, reason: string): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#farewell = [code, reason];
    const since = performance.now();
    const leave = (): void => {
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      const untaken = this.#socket.bufferedAmount > 0;
      const waits = untaken ? TAKING_MS : this.#spoken ? SILENCE_MS : 0;
      this.#spoken = false;
      if (performance.now() - since >= waits) this.#socket.close(code, reason);
      else this.#parting = setTimeout(leave, DRAIN_POLL_MS);
    };
    this.#spoken = false;
    this.#parting = setTimeout(leave, 0);
  }

  /** Checks again when the peer may have read: in the next turn, while much waits and it shrinks. */
  #watch(): void {
    if (this.#looking === "no") this.#due = this.#socket.bufferedAmount;
    if (this.#looking === "soon" || this.#due === 0) return;
    const soon = this.#goesOn && this.#due >= MUCH_BYTES;
    if (this.#looking === "later" && !soon) return;
    clearTimeout(this.#poll);
    this.#looking = soon ? "soon" : "later";
    if (soon) turns.nextTick(() => this.#look());
    else this.#poll = setTimeout(() => this.#look(), DRAIN_POLL_MS);
  }

  #look(): void {
    this.#looking = "no";
    this.#goesOn = this.#socket.bufferedAmount < this.#due;
    if (this.#goesOn) this.onDrain();
    this.#watch();
  }
}

/** The path as the peer sent it. Undefined for a target that names another host than the Host header. */
function pathOf({ url, headers }: Request): string {
  const before = `http://${headers.get("host") ?? ""}`;
  return url.startsWith(before) ? url.slice(before.length).split("?")[0] ?? "" : "";
}

function toRequest(request: Request, peer: string): HttpRequest {
  return { method: request.method, path: pathOf(request), headers: new Map(request.headers), peer };
}

/** Deno splits the list of protocols only at ", ". The package `ws` and RFC 6455 accept ",". */
function spaceProtocols(request: Request): void {
  const offered = request.headers.get("sec-websocket-protocol");
  if (offered === null) return;
  const headers = new Headers(request.headers);
  headers.set("sec-websocket-protocol", offered.split(",").map((name) => name.trim()).join(", "));
  Object.defineProperty(request, "headers", { value: headers });
}

async function carryOut(verdict: HttpVerdict, request: Request, letIn: () => void): Promise<Reply> {
  if (verdict.kind === "answer") {
    const { status, body, contentType, headers } = await verdict.answer;
    // The gate has let the peer in, and a long answer takes its time.
    if (body instanceof ReadableStream) letIn();
    const response = new Response(status === 304 ? null : body, {
      status,
      headers: {
        "content-type": contentType ?? "text/plain; charset=utf-8",
        connection: "close",
        ...headers,
      },
    });
    return { response, lost: () => {} };
  }
  const { accept, abandon, peerSilentMs, protocol } = verdict;
  try {
    spaceProtocols(request);
    const { socket, response } = Deno.upgradeWebSocket(request, {
      // Deno pings after half of these seconds of silence, and drops a peer without an answer in the other
      // half.
      idleTimeout: peerSilentMs / 1000,
      ...(protocol === undefined ? {} : { protocol }),
    });
    const opened = (handle: SocketHandle): void => {
      letIn();
      accept(handle);
    };
    new DenoSocket(socket, opened, abandon);
    return { response, lost: abandon };
  } catch {
    abandon();
    return { response: new Response("Not a valid WebSocket handshake\n", { status: 400 }), lost: () => {} };
  }
}

function serve(
  hostname: string,
  port: number,
  // Deno has its own limit for a message, 64 MiB.
  _messageBytes: number,
  decide: (request: HttpRequest) => HttpVerdict,
): Promise<Listener> {
  try {
    const listener = listen(
      hostname,
      port,
      (request, peer, letIn) => carryOut(decide(toRequest(request, peer)), request, letIn),
      (line) => writeAll(`pi-server: ${line}\n`),
    );
    return Promise.resolve(listener);
  } catch (error) {
    return Promise.reject(new ListenError(errorMessage(error)));
  }
}

function sink(): ByteSink {
  const writer = Deno.stdout.writable.getWriter();
  return { write: (bytes) => writer.write(bytes) };
}

/** Permissions in Deno's form, with mutable lists. */
function denoPermissions(permissions: WorkerPermissions): Deno.PermissionOptionsObject {
  const { read, write, net, run, env, sys, ffi, import: imports } = permissions;
  return {
    read: [...read],
    write: [...write],
    net: net === true ? true : [...net],
    run,
    env,
    sys: SYS_KINDS.filter((kind) => sys.includes(kind)),
    ffi,
    import: imports,
  };
}

function spawn(url: URL, permissions?: WorkerPermissions): WorkerHandle {
  const deno = permissions === undefined ? {} : { deno: { permissions: denoPermissions(permissions) } };
  standAgain();
  const name = permissions === undefined ? FREE_NAME : HELD_NAME;
  const worker = new Worker(url, { type: "module", name, ...deno });
  let gone = false;
  const handle: WorkerHandle = {
    post: (message) => worker.postMessage(message),
    onMessage: () => {},
    onExit: () => {},
    terminate() {
      gone = true;
      worker.terminate();
    },
  };
  worker.onmessage = (event) => handle.onMessage(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    if (gone) return;
    gone = true;
    handle.onExit(event.message);
  };
  return handle;
}

/** This worker's end of its messages. Call it only in a worker. */
export function workerPort(): WorkerPort {
  const scope: unknown = globalThis;
  const port = scope as Pick<Worker, "postMessage" | "onmessage">;
  return {
    post: (message) => port.postMessage(message),
    listen(fn) {
      port.onmessage = (event) => fn(event.data);
    },
  };
}

const encoder = new TextEncoder();

function writeAll(text: string): void {
  const bytes = encoder.encode(text);
  let at = 0;
  try {
    while (at < bytes.length) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // No program reads stderr, so there is nowhere to report it.
  }
}

/** Sends everything that this thread prints to stderr. */
function guardStdout(): void {
  for (const level of ["log", "info", "debug", "dir", "table"] as const) {
    console[level] = (...values: unknown[]) => console.error(...values);
  }
  // Node's console.error under Deno does not use process.stdout, so this cannot loop.
  Reflect.set(process.stdout, "write", (chunk: string | Uint8Array, ...rest: unknown[]) => {
    writeAll(typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk));
    const done = rest.find((value) => typeof value === "function");
    if (typeof done === "function") queueMicrotask(() => done());
    return true;
  });
  Reflect.set(Deno.stdout, "write", (bytes: Uint8Array) => Deno.stderr.write(bytes));
  Reflect.set(Deno.stdout, "writeSync", (bytes: Uint8Array) => Deno.stderr.writeSync(bytes));
  Object.defineProperty(Deno.stdout, "writable", { get: () => Deno.stderr.writable, configurable: true });
}

/** Made once: a second time descriptor 1 would be stderr already. */
let ownOutput: ProtocolOutput | undefined;

patchExitCodes();
mendFileModes();

/** The runtime on Deno. */
export const runtime: Runtime = {
  ...common,
  name: "deno",
  nextTick: (fn) => turns.nextTick(fn),
  releaseNextTick: () => turns.dispose(),
  serve,
  stdin: () => Deno.stdin.readable,
  stdout: sink,
  stderrIsTerminal: () => Deno.stderr.isTerminal(),
  writeError: writeAll,
  guardStdout,
  protocolOutput: () => ownOutput ??= separateStdout(),
  outputIsRead: () =>
    ownOutput === undefined ? common.outputIsRead() : Promise.resolve(ownOutput.hasReader()),
  followProxies,
  // Deno keeps it by itself.
  keepCompiledCode: () => {},
  sandbox: Deno.build.standalone ? "built-in" : "flag",
  version: versionOf(Deno.version.deno),
  spawn,
  // Deno waits for no thread at its end.
  ensureEnd: () => {},
  memoryBounds: () => ({
    machineBytes: machineBytes(),
    fatalHeapBytes: getHeapStatistics().heap_size_limit,
  }),
};

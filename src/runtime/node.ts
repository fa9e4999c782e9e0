// The runtime on Node: node:http with ws, node:worker_threads, stdio through the machine's own handles.
// Imported by the entries alone.
import { errorMessage } from "../error_message.ts";
import { Buffer } from "node:buffer";
import { createWriteStream, fstatSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import process from "node:process";
import { type Duplex, Readable, type Writable } from "node:stream";
import { setImmediate } from "node:timers";
import { parentPort, Worker } from "node:worker_threads";
import { type WebSocket, WebSocketServer } from "ws";
import { common, machineBytes } from "./common.ts";
import { ensureEnd } from "./node_end.ts";
import {
  type ByteSink,
  type HttpAnswer,
  type HttpRequest,
  type HttpVerdict,
  type Listener,
  ListenError,
  type Runtime,
  type SocketHandle,
  type Timer,
  type WorkerHandle,
  type WorkerPermissions,
  type WorkerPort,
} from "./runtime.ts";
import { standAgain } from "./standing.ts";
import { clock } from "./running_clock.ts";
import { Strangers } from "./strangers.ts";

/** The same cap as Deno's; the protocol's own limit is checked behind it, where it can be answered. */
const MESSAGE_BYTES = 64 * 1024 * 1024;

/** How often a socket whose peer reads slowly is asked how much it has taken. */
const DRAIN_POLL_MS = 5;

/**
 * Pings in the time after which a silent peer is gone. So many that a peer that only reads nothing is told of it
 * (STALL_MS) well before it is taken for dead.
 */
const PINGS = 4;

/** Milliseconds that a refused peer gets to read why. */
const REFUSED_MS = 1_000;

class NodeSocket implements SocketHandle {
  onText: (text: string) => void = () => {};
  onBinary: () => void = () => {};
  onClose: () => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  /** Texts of this turn of the event loop, and the bytes of their frames. */
  #texts: Outgoing[] = [];
  #bytes = 0;
  /** Pings that went out since the peer was last heard. */
  #unanswered = 0;
  #watching = false;
  #recheck: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, stream: Duplex, peerSilentMs: number) {
    this.#socket = socket;
    this.#stream = stream;
    const next = (): Timer =>
      clock.after(peerSilentMs / PINGS, () => {
        if (this.#unanswered >= PINGS - 1) return socket.terminate();
        this.#unanswered++;
        socket.ping();
        ping = next();
      });
    let ping = next();
    socket.on("pong", () => this.#unanswered = 0);
    socket.on("message", (data, isBinary) => {
      this.#unanswered = 0;
      if (isBinary) this.onBinary();
      else this.onText(data.toString());
    });
    // An error is always followed by a close.
    socket.on("error", () => {});
    socket.on("close", () => {
      ping.clear();
      clearTimeout(this.#recheck);
      this.onClose();
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount + this.#bytes;
  }

  send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#texts.length === 0) process.nextTick(() => this.#flush());
    const length = Buffer.byteLength(text);
    this.#texts.push({ text, length });
    this.#bytes += headOf(length) + length;
  }

  /** What was sent in one turn leaves as one piece; ws alone makes two writes and three objects of each message. */
  #flush(): void {
    if (this.#texts.length === 0) return;
    const [texts, bytes] = [this.#texts, this.#bytes];
    this.#texts = [];
    this.#bytes = 0;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const frames = textFrames(texts, bytes);
    // One callback for all that is sent until it comes: it costs more than the sending.
    if (this.#watching) return void this.#stream.write(frames);
    this.#watching = true;
    this.#stream.write(frames, () => this.#taken());
  }

  #taken(): void {
    this.#watching = false;
    this.onDrain();
    if (this.#watching || this.#socket.bufferedAmount === 0) return;
    this.#watching = true;
    this.#recheck = setTimeout(() => this.#taken(), DRAIN_POLL_MS);
  }

  close(code: number, reason: string): void {
    this.#flush();
    this.#socket.close(code, reason);
  }
}

/** A text on its way, with its bytes in UTF-8. */
interface Outgoing {
  readonly text: string;
  readonly length: number;
}

/** Bytes of a frame's head before that many bytes (RFC 6455, 5.2; a server masks nothing). */
function headOf(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/** Whole text frames, one behind the other. */
function textFrames(texts: readonly Outgoing[], bytes: number): Uint8Array {
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { text, length } of texts) {
    const head = headOf(length);
    frames[at] = 0x81;
    frames[at + 1] = head === 2 ? length : head === 4 ? 126 : 127;
    if (head === 4) frames.writeUInt16BE(length, at + 2);
    if (head === 10) frames.writeBigUInt64BE(BigInt(length), at + 2);
    frames.write(text, at + head);
    at += head + length;
  }
  return frames;
}

function toRequest(request: IncomingMessage): HttpRequest {
  const headers = new Map<string, string>();
  // rawHeaders, since node:http silently drops a second Host or Authorization; the gate must see both.
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = (request.rawHeaders[at] ?? "").toLowerCase();
    const value = request.rawHeaders[at + 1] ?? "";
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  return { method: request.method ?? "GET", path, headers, peer: request.socket.remoteAddress ?? "" };
}

function respond(response: ServerResponse, answer: HttpAnswer): void {
  response.writeHead(answer.status, {
    "content-type": answer.contentType ?? "text/plain; charset=utf-8",
    "content-length": String(new TextEncoder().encode(answer.body).length),
    connection: "close",
    ...answer.headers,
  });
  response.end(answer.body);
}

function refuseUpgrade(socket: Duplex, answer: HttpAnswer): void {
  const headers = Object.entries({
    "content-type": answer.contentType ?? "text/plain; charset=utf-8",
    "content-length": String(new TextEncoder().encode(answer.body).length),
    connection: "close",
    ...answer.headers,
  });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${answer.status} Refused\r\n${lines}\r\n${answer.body}`);
  // A peer that never closes its end must not stay.
  const late = setTimeout(() => socket.destroy(), REFUSED_MS);
  socket.once("close", () => clearTimeout(late));
  socket.resume();
}

function upgrade(
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  decide: (request: HttpRequest) => HttpVerdict,
): void {
  socket.on("error", () => socket.destroy());
  const verdict = decide(toRequest(request));
  if (verdict.kind === "answer") {
    return void Promise.resolve(verdict.answer).then((answer) => refuseUpgrade(socket, answer));
  }
  let opened = false;
  socket.once("close", () => opened || verdict.abandon());
  // ws offers only what `handleProtocols` picks; the verdict has picked already.
  Reflect.set(request, "piServerProtocol", verdict.protocol);
  sockets.handleUpgrade(request, socket, Buffer.from(head), (accepted) => {
    opened = true;
    verdict.accept(new NodeSocket(accepted, socket, verdict.peerSilentMs));
  });
}

/** A socket that became a WebSocket is a stranger no more. */
function boundStrangers(server: Server): void {
  const strangers = new Strangers<Duplex>((socket) => socket.destroy());
  server.on("connection", (socket) => {
    strangers.came(socket);
    socket.once("close", () => strangers.left(socket));
  });
  server.on("upgrade", (_request, socket) => strangers.left(socket));
}

function close(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const socket of sockets.clients) socket.terminate();
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function serve(
  hostname: string,
  port: number,
  decide: (request: HttpRequest) => HttpVerdict,
): Promise<Listener> {
  // A request without a Host is the gate's to refuse, as on Deno.
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    const verdict = decide(toRequest(request));
    if (verdict.kind === "answer") {
      return void Promise.resolve(verdict.answer).then((answer) => respond(response, answer));
    }
    verdict.abandon();
    respond(response, { status: 400, body: "Not a valid WebSocket handshake\n" });
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES,
    handleProtocols: (_offered, request) => {
      const picked: unknown = Reflect.get(request, "piServerProtocol");
      return typeof picked === "string" ? picked : false;
    },
  });
  boundStrangers(server);
  server.on("upgrade", (request, socket, head) => upgrade(sockets, request, socket, head, decide));
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new ListenError(error.message)));
    server.listen(port, hostname, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address : { address: hostname, port };
      resolve({ hostname: bound.address, port: bound.port, close: () => close(server, sockets) });
    });
  });
}

/** stdout without process.stdout, whose writes to a pipe block the thread while the reader is slow. */
function openStdout(): Writable {
  try {
    const found = fstatSync(1);
    if (found.isFIFO() || found.isSocket()) return new Socket({ fd: 1, readable: false, writable: true });
  } catch {
    // A closed stdout: the first write will say so.
  }
  return createWriteStream("", { fd: 1, autoClose: false });
}

function sink(): ByteSink {
  const stream = openStdout();
  // Reported by the write's own callback.
  stream.on("error", () => {});
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => stream.write(bytes, (error) => error ? reject(error) : resolve())),
  };
}

function spawn(url: URL, _permissions?: WorkerPermissions, heapBytes?: number): WorkerHandle {
  const limits = heapBytes === undefined
    ? {}
    : { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(heapBytes / 2 ** 20) } };
  standAgain();
  // With `stdout: true` what prints in the worker comes here and not to our stdout.
  const worker = new Worker(url, { stdout: true, name: "pi-server-host", ...limits });
  worker.stdout.on("data", (chunk: Uint8Array) => process.stderr.write(chunk));
  let gone = false;
  const handle: WorkerHandle = {
    post: (message) => worker.postMessage(message),
    onMessage: () => {},
    onExit: () => {},
    terminate() {
      gone = true;
      void worker.terminate();
    },
  };
  const exit = (reason: string): void => {
    if (gone) return;
    gone = true;
    handle.onExit(reason);
  };
  worker.on("message", (message) => handle.onMessage(message));
  worker.on("error", (error) => exit(errorMessage(error)));
  worker.on("exit", (code) => exit(`the host's thread ended with code ${code}`));
  return handle;
}

/** This worker's end of its messages. Valid in a worker only. */
export function workerPort(): WorkerPort {
  return {
    post: (message) => parentPort?.postMessage(message),
    listen: (fn) => parentPort?.on("message", fn),
  };
}

function guardStdout(): void {
  const toError = process.stderr.write.bind(process.stderr);
  // console.log goes through process.stdout on Node.
  Reflect.set(process.stdout, "write", toError);
}

/** The runtime on Node. */
export const runtime: Runtime = {
  ...common,
  name: "node",
  rest() {},
  soon(fn) {
    setImmediate(fn);
  },
  serve,
  stdin: () => Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
  stdout: sink,
  stderrIsTerminal: () => process.stderr.isTTY === true,
  writeError: (text) => {
    process.stderr.write(text);
  },
  guardStdout,
  sandbox: "never",
  spawn,
  // A worker with limits ends alone.
  ensureEnd,
  exit(code) {
    ensureEnd();
    common.exit(code);
  },
  memoryBounds: () => ({ machineBytes: machineBytes(), fatalHeapBytes: Infinity }),
};

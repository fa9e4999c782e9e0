// Does: the runtime on Node: node:http with ws, node:worker_threads, stdio through the machine's own handles.
// Used by: mod.ts and worker.ts. Uses: common.ts and websocket.ts.
import { errorMessage } from "../../base/error_message.ts";
import { Buffer } from "node:buffer";
import { createWriteStream, fstatSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { Socket } from "node:net";
import process from "node:process";
import { type Duplex, Readable, type Writable } from "node:stream";
import { setImmediate } from "node:timers";
import { parentPort, Worker } from "node:worker_threads";
import { type Server as SocketServer, WebSocketServer } from "ws";
import { common, machineBytes, versionOf } from "../common.ts";
import { keepCompiledCode } from "./compiled_code.ts";
import { followProxies } from "./outgoing_requests.ts";
import { ensureEnd } from "./process_end.ts";
import { ClosingSocket, NodeSocket } from "./websocket.ts";
import {
  type ByteSink,
  type HttpAnswer,
  type HttpRequest,
  type HttpVerdict,
  type Listener,
  ListenError,
  type Runtime,
  type WorkerHandle,
  type WorkerPermissions,
  type WorkerPort,
} from "../runtime.ts";
import { standAgain } from "../working_directory.ts";
import { HandshakeLimiter } from "../websocket/handshake_limiter.ts";
import { Unfinished } from "../websocket/unfinished_messages.ts";

/** Milliseconds that a refused peer gets to read the reason. */
const REFUSED_MS = 1_000;

/** Bytes that are read and dropped meanwhile, so that the peer can read the answer before the connection is gone. */
const REFUSED_BYTES = 256 * 1024;

function toRequest(request: IncomingMessage): HttpRequest {
  const headers = new Map<string, string>();
  // Reads rawHeaders, because node:http drops a second Host or Authorization and the gate must see both.
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = (request.rawHeaders[at] ?? "").toLowerCase();
    const value = request.rawHeaders[at + 1] ?? "";
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  return { method: request.method ?? "GET", path, headers, peer: request.socket.remoteAddress ?? "" };
}

/** The body of an answer, and its headers. */
function bodyOf(
  { status, body, contentType, headers }: HttpAnswer,
): { bytes: Uint8Array; stream?: ReadableStream<Uint8Array>; headers: Record<string, string> } {
  const type = { "content-type": contentType ?? "text/plain; charset=utf-8" };
  if (body instanceof ReadableStream) {
    return { bytes: new Uint8Array(), stream: body, headers: { ...type, connection: "close", ...headers } };
  }
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const described = status === 304 ? {} : { ...type, "content-length": String(bytes.length) };
  return { bytes, headers: { ...described, connection: "close", ...headers } };
}

function respond(response: ServerResponse, answer: HttpAnswer): void {
  const { bytes, stream, headers } = bodyOf(answer);
  response.writeHead(answer.status, headers);
  if (stream === undefined) response.end(bytes);
  else void sendStream(stream, response);
}

/** Sends a body as the peer takes it. A body that fails ends the connection, so that the peer sees it. */
async function sendStream(stream: ReadableStream<Uint8Array>, response: ServerResponse): Promise<void> {
  const reader = stream.getReader();
  const gone = new Promise<void>((resolve) => response.once("close", resolve));
  void gone.then(() => reader.cancel());
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (response.write(next.value)) continue;
      await Promise.race([gone, new Promise<void>((resolve) => response.once("drain", resolve))]);
    }
    response.end();
  } catch {
    response.destroy();
  }
}

/** Answers a refused upgrade like a plain request (RFC 9110, 7.8). */
function refuseUpgrade(socket: Duplex, answer: HttpAnswer, bodiless: boolean): void {
  const { bytes, stream, headers } = bodyOf(answer);
  void stream?.cancel();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ""}\r\n${lines}\r\n`);
  socket.end(bodiless || answer.status === 304 ? undefined : bytes);
  // A peer that never closes its end must not stay, nor one that goes on sending.
  const late = setTimeout(() => socket.destroy(), REFUSED_MS);
  socket.once("close", () => clearTimeout(late));
  let dropped = 0;
  socket.on("data", ({ length }: Uint8Array) => {
    dropped += length;
    if (dropped > REFUSED_BYTES) socket.destroy();
  });
}

/** Parts of an upgrade. */
interface Upgrading {
  readonly sockets: SocketServer<typeof ClosingSocket>;
  readonly unfinished: Unfinished;
}

function upgrade(
  { sockets, unfinished }: Upgrading,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  decide: (request: HttpRequest) => HttpVerdict,
): void {
  socket.on("error", () => socket.destroy());
  const verdict = decide(toRequest(request));
  if (verdict.kind === "answer") {
    const bodiless = request.method === "HEAD";
    return void Promise.resolve(verdict.answer).then((answer) => refuseUpgrade(socket, answer, bodiless));
  }
  let opened = false;
  socket.once("close", () => opened || verdict.abandon());
  // ws accepts no list in this header. The gate has found the word in it.
  request.headers.upgrade = "websocket";
  // ws offers only the protocol of `handleProtocols`, and the verdict has chosen it already.
  Reflect.set(request, "piServerProtocol", verdict.protocol);
  sockets.handleUpgrade(request, socket, Buffer.from(head), (accepted) => {
    opened = true;
    verdict.accept(new NodeSocket(accepted, socket, verdict.peerSilentMs, unfinished));
  });
}

/** Counts unauthenticated sockets. A WebSocket has authenticated. */
function boundHandshakes(server: Server): HandshakeLimiter<Duplex> {
  const strangers = new HandshakeLimiter<Duplex>((socket) => socket.destroy());
  server.on("connection", (socket) => {
    strangers.came(socket);
    socket.once("close", () => strangers.left(socket));
  });
  server.on("upgrade", (_request, socket) => strangers.left(socket));
  return strangers;
}

function close(server: Server, { sockets }: Upgrading): Promise<void> {
  for (const socket of sockets.clients) socket.terminate();
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function serve(
  hostname: string,
  port: number,
  messageBytes: number,
  decide: (request: HttpRequest) => HttpVerdict,
): Promise<Listener> {
  // The gate refuses a request without a Host, as on Deno.
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    const verdict = decide(toRequest(request));
    if (verdict.kind === "answer") {
      return void Promise.resolve(verdict.answer).then((answer) => {
        // The gate has let the peer in, and a long answer takes its time.
        if (answer.body instanceof ReadableStream) strangers.left(request.socket);
        respond(response, answer);
      });
    }
    verdict.abandon();
    respond(response, { status: 400, body: "Not a valid WebSocket handshake\n" });
  });
  const sockets = new WebSocketServer({
    noServer: true,
    WebSocket: ClosingSocket,
    maxPayload: messageBytes,
    handleProtocols: (_offered, request) => {
      const picked: unknown = Reflect.get(request, "piServerProtocol");
      return typeof picked === "string" ? picked : false;
    },
  });
  const strangers = boundHandshakes(server);
  const upgrading: Upgrading = { sockets, unfinished: new Unfinished(messageBytes) };
  server.on("upgrade", (request, socket, head) => upgrade(upgrading, request, socket, head, decide));
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new ListenError(error.message)));
    server.listen(port, hostname, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address : { address: hostname, port };
      resolve({ hostname: bound.address, port: bound.port, close: () => close(server, upgrading) });
    });
  });
}

/** stdout without process.stdout, whose writes to a pipe block the thread while the reader is slow. */
function openStdout(): Writable {
  try {
    const found = fstatSync(1);
    if (found.isFIFO() || found.isSocket()) return new Socket({ fd: 1, readable: false, writable: true });
  } catch {
    // stdout is closed. The first write reports it.
  }
  return createWriteStream("", { fd: 1, autoClose: false });
}

function sink(): ByteSink {
  const stream = openStdout();
  // The callback of the write reports the error.
  stream.on("error", () => {});
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => stream.write(bytes, (error) => error ? reject(error) : resolve())),
  };
}

/**
 * Half of what Node gives a thread for young objects: a flood of shell output fills all of it with garbage. It is
 * three times one of its halves.
 */
const YOUNG_MB = 24;

function spawn(url: URL, _permissions?: WorkerPermissions, heapBytes?: number): WorkerHandle {
  const old = heapBytes === undefined ? {} : { maxOldGenerationSizeMb: Math.ceil(heapBytes / 2 ** 20) };
  const limits = { resourceLimits: { ...old, maxYoungGenerationSizeMb: YOUNG_MB } };
  standAgain();
  // With `stdout: true` the output of the worker comes here and not to the server's stdout.
  const worker = new Worker(url, { stdout: true, name: "pi-server-worker", ...limits });
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
  worker.on("exit", (code) => exit(`the worker's thread ended with code ${code}`));
  return handle;
}

/** This worker's end of its messages. Call it only in a worker. */
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
  releaseNextTick() {},
  nextTick(fn) {
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
  // Node cannot move a descriptor.
  protocolOutput: () => undefined,
  followProxies,
  keepCompiledCode,
  sandbox: "never",
  version: versionOf(process.versions.node),
  spawn,
  // A worker with limits ends alone.
  ensureEnd,
  exit(code) {
    ensureEnd();
    common.exit(code);
  },
  memoryBounds: () => ({ machineBytes: machineBytes(), fatalHeapBytes: Infinity }),
};

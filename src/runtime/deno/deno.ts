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
import { type Watched, type WatchedHolder, Watcher } from "./unfinished_watch.ts";
import { DenoSocket, surviveLongTexts } from "./websocket.ts";
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

/** Deno's names for facts about the system. */
const SYS_KINDS = [
  ...["cpus", "gid", "homedir", "hostname", "loadavg"] as const,
  ...["osRelease", "osUptime", "systemMemoryInfo", "uid"] as const,
];

const turns = new NextTick();

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

async function carryOut(
  verdict: HttpVerdict,
  request: Request,
  watchIt: (holder: WatchedHolder) => Watched | undefined,
  letIn: () => void,
): Promise<Reply> {
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
    new DenoSocket(socket, turns, watchIt, opened, abandon);
    return { response, lost: abandon };
  } catch {
    abandon();
    return { response: new Response("Not a valid WebSocket handshake\n", { status: 400 }), lost: () => {} };
  }
}

function serve(
  hostname: string,
  port: number,
  messageBytes: number,
  decide: (request: HttpRequest) => HttpVerdict,
): Promise<Listener> {
  const watcher = new Watcher(messageBytes);
  surviveLongTexts();
  try {
    const listener = listen(hostname, port, {
      reply: (request, arrival, letIn) =>
        carryOut(
          decide(toRequest(request, arrival.peer.hostname)),
          request,
          (holder) => watcher.add(holder, arrival),
          letIn,
        ),
      warn: (line) => writeAll(`pi-server: ${line}\n`),
      nextTick: (fn) => turns.nextTick(fn),
      cutLongHeads: (peers, localPort) => watcher.cutLongHeads(peers, localPort),
    });
    watcher.boundNew(listener.port);
    return Promise.resolve({
      hostname: listener.hostname,
      port: listener.port,
      close: async () => {
        await listener.close();
        watcher[Symbol.dispose]();
      },
    });
  } catch (error) {
    watcher[Symbol.dispose]();
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

// Does: starts a SessionWorker or the catalogue in this thread, on Deno or Node, and connects the thread's messages.
// Used by: the worker pool and server/lists, which start the thread. Uses: session_worker.ts, catalogue_thread.ts.
// Invariant: before pi loads, nothing in this thread can print to stdout, end the process or take its signals.
import { agentFolder } from "../base/pi_folders.ts";
import { errorStack } from "../base/error_message.ts";
import process from "node:process";
import { CROSSING_WINDOW_BYTES } from "../governor/limits.ts";
import type { CatalogueBatch, ToCatalogue } from "../ipc/catalogue_messages.ts";
import type { FromWorker } from "../ipc/messages.ts";
import type { LoadFactory, SessionWorker } from "./session_worker.ts";
import { decodeCalls, encodeBatch, type ServerBatch, type WorkerBatch } from "../ipc/codec.ts";
import type { WorkerPort } from "../runtime/runtime.ts";

async function connect(): Promise<{ runtime: import("../runtime/runtime.ts").Runtime; port: WorkerPort }> {
  if ("Deno" in globalThis) {
    const { runtime, workerPort } = await import("../runtime/deno/deno.ts");
    return { runtime, port: workerPort() };
  }
  const { runtime, workerPort } = await import("../runtime/node/node.ts");
  return { runtime, port: workerPort() };
}

/**
 * Ignores the signal handlers of pi's lock library, which would kill the process. The server thread handles
 * signals.
 */
function keepSignals(): void {
  const original = process.on;
  Reflect.set(process, "on", function (this: unknown, name: string, ...rest: unknown[]) {
    return name.startsWith("SIG") ? process : Reflect.apply(original, this, [name, ...rest]);
  });
}

const { runtime, port } = await connect();
runtime.guardStdout();
runtime.keepTime();
keepSignals();
runtime.guardProcess(runtime.writeError);

const post = (messages: readonly FromWorker[], bytes: number): void => {
  port.post({ messages: encodeBatch(messages), bytes } satisfies WorkerBatch);
};
const fatal = (error: unknown): void => post([{ kind: "fatal", reason: errorStack(error) }], 0);
let worker: SessionWorker | undefined;
let loading: Promise<void> | undefined;
let catalogue: Promise<{ receive(message: ToCatalogue): void }> | undefined;

/** A folder beside what pi has compiled of extensions. */
function codeFolder(): string {
  return runtime.files.join(agentFolder(runtime), "cache", "pi-server-code");
}

/** This thread is one of sessions. The catalogue's would load half of the program in vain. */
async function loadWorker(): Promise<void> {
  const { loadPi, SessionWorker } = await import("./session_worker.ts");
  const load: LoadFactory = async (machine, config, trusted) => {
    runtime.keepCompiledCode(codeFolder());
    const warn = (text: string): void => runtime.writeError(`pi-server: ${text}\n`);
    const outgoing = runtime.followProxies(warn, config.httpProxy);
    const [factory] = await Promise.all([loadPi(machine, config, trusted), outgoing]);
    return factory;
  };
  worker = new SessionWorker(runtime, load, post, CROSSING_WINDOW_BYTES);
}

function receiveAsWorker(to: SessionWorker, { messages, creditBytes }: ServerBatch): void {
  try {
    if (creditBytes > 0) to.addCredit(creditBytes);
    if (messages.length === 0) return;
    for (const one of decodeCalls(messages)) to.receive(one);
    to.acknowledgeBatch();
  } catch (error) {
    // An error of this program. A command would wait for ever, so a new worker is better than a broken one.
    fatal(error);
  }
}

/** This thread is the catalogue's, and never loads pi. */
async function receiveAsCatalogue(messages: readonly ToCatalogue[]): Promise<void> {
  catalogue ??= import("../catalogue/catalogue_thread.ts").then(({ CatalogueThread }) =>
    new CatalogueThread(runtime, (message) => port.post(message))
  );
  const thread = await catalogue;
  for (const message of messages) thread.receive(message);
}

port.listen((message) => {
  // Here bytes become types: only the server thread sends, and it sends ServerBatch or CatalogueBatch.
  const call = message as ServerBatch | CatalogueBatch;
  if ("catalogue" in call) return void receiveAsCatalogue(call.catalogue).catch(fatal);
  if (worker !== undefined) return receiveAsWorker(worker, call);
  // What comes meanwhile waits for the same load, in its order.
  loading ??= loadWorker();
  loading.then(() => worker !== undefined && receiveAsWorker(worker, call), fatal);
});
// Deno drops messages before the listener exists, so the server thread waits for this one.
post([{ kind: "online" }], 0);

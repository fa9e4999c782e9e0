// Entry of a host's thread, on Deno and on Node: ties a Host to the thread's messages. Before pi is loaded
// it sees to it that nothing in here prints to stdout, ends the process or takes its signals.
import { errorStack } from "../base/error_message.ts";
import process from "node:process";
import { CROSSING_WINDOW_BYTES } from "../governor/limits.ts";
import type { FromWorker } from "../ipc/messages.ts";
import { type LoadFactory, loadPi, SessionWorker } from "./session_worker.ts";
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

/** pi's lock library installs signal handlers that would kill the process; signals are the router's. */
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
const outgoing = runtime.followProxies((text) => runtime.writeError(`pi-server: ${text}\n`));
const load: LoadFactory = async (...parts) => {
  const [factory] = await Promise.all([loadPi(...parts), outgoing]);
  return factory;
};
const host = new SessionWorker(runtime, load, post, CROSSING_WINDOW_BYTES);
port.listen((message) => {
  // The router thread is the only sender and speaks HostCall: here bytes become types.
  const call = message as ServerBatch;
  try {
    if (call.creditBytes > 0) host.addCredit(call.creditBytes);
    if (call.messages.length === 0) return;
    for (const one of decodeCalls(call.messages)) host.receive(one);
    host.acknowledgeBatch();
  } catch (error) {
    // A defect of ours: someone would wait for an answer for ever. A new host is better than a broken one.
    const reason = errorStack(error);
    post([{ kind: "fatal", reason }], 0);
  }
});
// Deno drops what arrives before someone listens, so the router thread waits for this.
post([{ kind: "online" }], 0);

// Entry of a host's thread, on Deno and on Node: ties a Host to the thread's messages. Before pi is loaded
// it sees to it that nothing in here prints to stdout, ends the process or takes its signals.
import { errorStack } from "../base/error_message.ts";
import process from "node:process";
import { CROSSING_WINDOW_BYTES } from "../governor/limits.ts";
import type { FromHost } from "../ipc/messages.ts";
import { Host, loadPi } from "./session_worker.ts";
import { type HostCall, type HostSaid, pack, unpackCalls } from "../ipc/codec.ts";
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
runtime.confine(runtime.writeError);

const post = (messages: readonly FromHost[], bytes: number): void => {
  port.post({ messages: pack(messages), bytes } satisfies HostSaid);
};
const host = new Host(runtime, loadPi, post, CROSSING_WINDOW_BYTES);
port.listen((message) => {
  // The router thread is the only sender and speaks HostCall: here bytes become types.
  const call = message as HostCall;
  try {
    if (call.took > 0) host.took(call.took);
    if (call.messages.length === 0) return;
    for (const one of unpackCalls(call.messages)) host.receive(one);
    host.taken();
  } catch (error) {
    // A defect of ours: someone would wait for an answer for ever. A new host is better than a broken one.
    const reason = errorStack(error);
    post([{ kind: "broken", reason }], 0);
  }
});
// Deno drops what arrives before someone listens, so the router thread waits for this.
post([{ kind: "up" }], 0);

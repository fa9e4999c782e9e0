// A program that aborts an answer which has been silent while garbage was collected, and prints what the reader and the
// server notice. It makes its request as the SDKs of providers do, with a signal of its own behind the caller's.
// Usage: deno run -A --v8-flags=--expose-gc collected_request.ts
import { readAnswer } from "../../../src/worker/pi/network/answer_body.ts";

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const own = new AbortController();
  signal.addEventListener("abort", () => own.abort(), { once: true });
  return readAnswer(await fetch(url, { signal: own.signal }), undefined, own.signal);
}

if (import.meta.main) {
  const closed = Promise.withResolvers<string>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void =>
      controller.enqueue(new TextEncoder().encode("first"));
    return new Response(new ReadableStream({ start, cancel: () => closed.resolve("closed") }));
  });
  const controller = new AbortController();
  const reader = (await ask(`http://127.0.0.1:${server.addr.port}/`, controller.signal)).body?.getReader();
  await reader?.read();
  const next = reader?.read().then(() => "read", () => "rejected");
  for (let round = 0; round < 5; round++) {
    Reflect.get(globalThis, "gc")();
    await wait(20);
  }
  controller.abort();
  const late = wait(10_000).then(() => "nothing");
  console.log(await Promise.race([next, late]), await Promise.race([closed.promise, late]));
  Deno.exit(0);
}

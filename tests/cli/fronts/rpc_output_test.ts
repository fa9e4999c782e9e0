// The writer of records: their order, and bytes whose memory belongs to their giver.

import { assertEquals } from "@std/assert";
import { deferred } from "../../../src/base/async/deferred.ts";
import { RpcOutput } from "../../../src/cli/fronts/rpc/rpc_output.ts";
import type { Io } from "../../../src/cli/subcommand.ts";

const decoder = new TextDecoder();

/** A stdout whose writes end when the test says so. */
function slowStdout() {
  let written = "";
  let end = (): void => {};
  let writes = 0;
  const write = async (pieces: string | readonly (string | Uint8Array)[]): Promise<void> => {
    const { promise, resolve } = deferred<void>();
    end = resolve;
    writes++;
    await promise;
    // Only now, as a slow reader takes them.
    for (const piece of pieces) written += typeof piece === "string" ? piece : decoder.decode(piece);
  };
  const io = { stdout: { write } } as unknown as Io;
  return { io, next: () => end(), written: () => written, writes: () => writes };
}

Deno.test("records leave in order, whatever becomes of the memory of their bytes", async () => {
  const { io, next, written } = slowStdout();
  const output = new RpcOutput(io, () => {});
  const shared = new Uint8Array(1_000_000);
  const wanted: string[] = [];
  // Three batches, each larger than the memory that is kept for it.
  for (let batch = 0; batch < 3; batch++) {
    for (let record = 0; record < 4; record++) {
      const json = JSON.stringify({ batch, record, text: String(record).repeat(700_000) });
      output.writeJson(shared.subarray(0, new TextEncoder().encodeInto(json, shared).written));
      wanted.push(json);
    }
    output.write({ type: "response", batch });
    wanted.push(JSON.stringify({ type: "response", batch }));
    next();
    shared.fill(0);
    await Promise.resolve();
  }
  const flushed = output.flushed();
  for (let turn = 0; turn < 10; turn++) {
    next();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await flushed;
  assertEquals(written().split("\n").slice(0, -1), wanted);
});

Deno.test("a record of the moment in which a write ends is written too", async () => {
  // One record in each of the small steps behind the end of the write.
  for (let step = 0; step < 12; step++) {
    const { io, next, written } = slowStdout();
    const output = new RpcOutput(io, () => {});
    output.write({ type: "first" });
    next();
    for (let done = 0; done < step; done++) await Promise.resolve();
    output.write({ type: "second" });
    for (let turn = 0; turn < 3; turn++) {
      next();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertEquals(written(), '{"type":"first"}\n{"type":"second"}\n', `step ${step}`);
  }
});

Deno.test("records of one step become one write", async () => {
  const { io, next, written, writes } = slowStdout();
  const output = new RpcOutput(io, () => {});
  for (let record = 0; record < 50; record++) output.write({ type: "record", record });
  const flushed = output.flushed();
  await Promise.resolve();
  next();
  await flushed;
  assertEquals([writes(), written().split("\n").length - 1], [1, 50]);
});

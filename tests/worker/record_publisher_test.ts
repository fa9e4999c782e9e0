// The records of a worker's sessions: a reply waits for the disk also when an event has sent the record before it.
import { assertEquals } from "@std/assert";
import type { FromWorker } from "../../src/ipc/messages.ts";
import { RecordPublisher } from "../../src/worker/record_publisher.ts";
import { turn } from "../support/base/fake_clock.ts";
import { recordOf } from "../server/manager/fakes.ts";

function make() {
  const sent: Extract<FromWorker, { kind: "save_record" }>[] = [];
  const records = new RecordPublisher((message) =>
    void (message.kind === "save_record" && sent.push(message))
  );
  let record = recordOf("a");
  const session = { sessionId: "a", record: () => record };
  const state = { done: 0 };
  const keep = (): void => {
    const kept = records.publish(session);
    if (kept === undefined) state.done++;
    else void kept.then(() => state.done++);
  };
  const change = (cwd: string): void => void (record = recordOf("a", { cwd }));
  return { records, sent, keep, change, state };
}

Deno.test("records: a record that is sent twice is waited for twice, until it is on disk", async () => {
  const { records, sent, keep, state } = make();
  keep();
  keep();
  await turn();
  assertEquals([sent.map(({ ref }) => ref), state.done], [[1, undefined], 0]);
  records.handlers.record_saved({ kind: "record_saved", ref: 1 });
  await turn();
  assertEquals(state.done, 2);
  keep();
  await turn();
  assertEquals(state.done, 3, "it is there already");
});

Deno.test("records: the latest change is what later answers wait for", async () => {
  const { records, keep, change, state } = make();
  keep();
  change("/elsewhere");
  keep();
  keep();
  records.handlers.record_saved({ kind: "record_saved", ref: 1 });
  await turn();
  assertEquals(state.done, 1);
  records.handlers.record_saved({ kind: "record_saved", ref: 2, error: "no space left on device" });
  await turn();
  assertEquals(state.done, 3);
});

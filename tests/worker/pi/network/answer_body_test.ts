// Bodies of answers as pi reads them: one whose final event has come may break, one that is not whole may not.
import { assertEquals, assertRejects } from "@std/assert";
import { readAnswer } from "../../../../src/worker/pi/network/answer_body.ts";

/** A body of these bytes that breaks at its end. */
function breaking(bytes: Uint8Array, size: number): Response {
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.error(new TypeError("error reading a body from connection"));
      controller.enqueue(bytes.slice(at, at += size));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

const PIECE = 'data: {"text":"\u00e9 \ud83d\ude00 \\ndata: [DONE]\\n\\n"}\n\n';
const WHOLE = [
  `${PIECE}data: [DONE]`,
  `${PIECE}data: [DONE]\n\n`,
  `${PIECE}data:[DONE]\r\n\r\n`,
  `${PIECE}event: message_stop\ndata: {"type":"message_stop"}\n\n`,
  `${PIECE}data: {"type":"response.completed","response":{"output":["${"x".repeat(300)}"]}}\n\n`,
  `event: response.incomplete\r\ndata: {"type":"response.incomplete"}\r\n\r\n`,
];
const UNFINISHED = [
  "",
  PIECE,
  `${PIECE}data: {"text":"event: message_stop"}\n\n`,
  `${PIECE}event: message_stop\n`,
  `${PIECE}data: {"type":"response.completed","response":{"output":["cut`,
  `${PIECE}event: message_stopped\ndata: {}\n\n`,
];

Deno.test("an answer whose final event has come is whole when its connection breaks, in pieces of any size", async () => {
  for (const text of WHOLE) {
    for (const size of [1, 2, 7, 64, 4096]) {
      assertEquals(await readAnswer(breaking(new TextEncoder().encode(text), size)).text(), text);
    }
  }
});

Deno.test("an answer without its final event breaks with its connection", async () => {
  for (const text of UNFINISHED) {
    for (const size of [1, 7, 4096]) {
      const answer = readAnswer(breaking(new TextEncoder().encode(text), size));
      await assertRejects(() => answer.text(), TypeError, "error reading a body", text);
    }
  }
});

Deno.test("an answer that is silent for too long breaks, and none without a limit", async () => {
  const silent = () =>
    new Response(new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new Uint8Array([1])) }));
  await assertRejects(
    () => readAnswer(silent(), 5).text(),
    TypeError,
    "terminated: the answer was silent for 5 ms",
  );
  const reader = readAnswer(silent()).body?.getReader();
  assertEquals((await reader?.read())?.value, new Uint8Array([1]));
  await reader?.cancel();
});

Deno.test("an abort ends an answer and its connection, whatever the runtime still knows of the request", async () => {
  for (const first of ["", PIECE]) {
    const { promise: closed, resolve: close } = Promise.withResolvers<unknown>();
    // A body of this kind hears nothing of the request's signal.
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => first === "" ? undefined : controller.enqueue(new TextEncoder().encode(first)),
      cancel: close,
    });
    const controller = new AbortController();
    const reader = readAnswer(new Response(body), undefined, controller.signal).body?.getReader();
    if (first !== "") assertEquals((await reader?.read())?.done, false);
    const next = reader?.read() ?? Promise.resolve();
    controller.abort(new Error("aborted by the user"));
    await assertRejects(() => next, Error, "aborted by the user");
    assertEquals(await closed, controller.signal.reason);
  }
});

Deno.test("an abort ends the connection of an answer that is no longer read", async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<unknown>();
  const controller = new AbortController();
  const answer = readAnswer(
    new Response(new ReadableStream({ cancel: close })),
    undefined,
    controller.signal,
  );
  controller.abort("why");
  assertEquals(await closed, "why");
  await answer.body?.cancel().catch(() => {});
});

Deno.test("an abort ends an answer whose request was collected as garbage meanwhile", async () => {
  const program = new URL("../../../support/base/collected_request.ts", import.meta.url);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", program.pathname],
  }).output();
  const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(said, "rejected closed\n", errors);
});

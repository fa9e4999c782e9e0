// Does: reads the body of an answer for pi. An answer whose final event has come is whole, also when its connection
// breaks behind it. An answer that is silent for too long breaks, where a time is set. An abort ends its connection.
// Used by: model_request.ts, for each answer of a provider.
// Invariant: no byte of an answer is changed.

/** The beginning of a line that ends an answer: in OpenAI's two APIs, and in Anthropic's. */
const FINAL: RegExp =
  /\n(?:data: ?\[DONE\]|(?:event: ?|data: ?\{"type": ?")(?:message_stop|response\.(?:completed|incomplete))["\r\n])/;
/** What completes it: the empty line behind the event. */
const COMPLETE: RegExp = /\n\r?\n$|\[DONE\]\s*$/;
/** Characters of the last bytes that are looked at with the next ones: more than such a line has. */
const KEPT = 64;

/** Finds the final event in the bytes of an answer, however they are cut. */
class FinalEvent {
  readonly #decoder = new TextDecoder("latin1");
  #tail = "\n";
  #seen = false;

  follow(bytes: Uint8Array): void {
    const text = this.#tail + this.#decoder.decode(bytes);
    this.#seen ||= FINAL.test(text);
    this.#tail = text.slice(-KEPT);
  }

  /** Whether the answer is whole. */
  get complete(): boolean {
    return this.#seen && COMPLETE.test(this.#tail);
  }
}

/** What a read brings, or an error after that time. pi's words for it begin with "terminated". */
async function inTime<T>(read: Promise<T>, idleMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<never>((_, reject) => {
    const error = new TypeError(`terminated: the answer was silent for ${idleMs} ms (httpIdleTimeoutMs)`);
    timer = setTimeout(() => reject(error), idleMs);
  });
  try {
    return await Promise.race([read, silent]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The response, with a body that is read so.
 *
 * @param idleMs milliseconds without a byte after which it counts as broken; absent: it may be silent for ever
 * @param signal of the request. Deno keeps only a weak reference from it to the body, and a collection of garbage ends
 * that. The provider would then go on with an answer that was aborted.
 */
export function readAnswer(response: Response, idleMs?: number, signal?: AbortSignal | null): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const final = new FinalEvent();
  const stop = (): void => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  const over = (): void => signal?.removeEventListener("abort", stop);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = reader.read();
        const { done, value } = await (idleMs === undefined ? next : inTime(next, idleMs));
        if (done) {
          // A body that was cancelled looks as if it had ended.
          signal?.throwIfAborted();
          over();
          return controller.close();
        }
        final.follow(value);
        controller.enqueue(value);
      } catch (error) {
        over();
        void reader.cancel(error).catch(() => {});
        if (!final.complete) throw error;
        controller.close();
      }
    },
    cancel(reason) {
      over();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  const read = new Response(body, response);
  Object.defineProperty(read, "url", { value: response.url });
  return read;
}

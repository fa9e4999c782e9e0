// Does: reads the body of an answer for pi. An answer whose final event has come is whole, also when its connection
// breaks behind it. An answer that is silent for too long breaks, where a time is set.
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

/** Rejects after that time; without one it never settles. */
function silence(idleMs: number | undefined): { broken: Promise<never>; clear(): void } {
  const { promise: broken, reject } = Promise.withResolvers<never>();
  if (idleMs === undefined) return { broken, clear: () => {} };
  const timer = setTimeout(() => {
    // pi's words for it begin with "terminated".
    reject(new TypeError(`terminated: the answer was silent for ${idleMs} ms (httpIdleTimeoutMs)`));
  }, idleMs);
  return { broken, clear: () => clearTimeout(timer) };
}

/**
 * The response, with a body that is read so.
 *
 * @param idleMs milliseconds without a byte after which it counts as broken; absent: it may be silent for ever
 */
export function readAnswer(response: Response, idleMs?: number): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const final = new FinalEvent();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { broken, clear } = silence(idleMs);
      try {
        const { done, value } = await Promise.race([reader.read(), broken]);
        if (done) return controller.close();
        final.follow(value);
        controller.enqueue(value);
      } catch (error) {
        void reader.cancel(error).catch(() => {});
        if (!final.complete) throw error;
        controller.close();
      } finally {
        clear();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  const read = new Response(body, response);
  Object.defineProperty(read, "url", { value: response.url });
  return read;
}

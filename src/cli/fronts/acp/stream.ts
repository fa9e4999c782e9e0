// Does: carries the messages of the Agent Client Protocol over stdin and stdout, one a line.
// Used by: src/cli/fronts/acp.ts.
// Invariant: a write resolves once the system has taken it, so that a slow editor slows down its own events alone.
import { type AnyMessage, ndJsonStream, type Stream } from "@agentclientprotocol/sdk";
import { deferred } from "../../../base/async/deferred.ts";
import type { Io } from "../../subcommand.ts";

/** Its answer may take as long as a run: an editor that has closed stdin does not wait for it. */
const LONG = "session/prompt";

/** The requests of the editor that have no answer yet. */
class OpenRequests {
  readonly #open = new Set<unknown>();
  readonly #none = deferred<void>();
  #ended = false;

  came(message: AnyMessage): void {
    if ("method" in message && "id" in message && message.method !== LONG) this.#open.add(message.id);
  }

  answered(message: AnyMessage): void {
    if (!("method" in message)) this.#open.delete(message.id);
    this.#check();
  }

  /** No further one comes; resolves once all have their answers. */
  ended(): Promise<void> {
    this.#ended = true;
    this.#check();
    return this.#none.promise;
  }

  #check(): void {
    if (this.#ended && this.#open.size === 0) this.#none.resolve();
  }
}

/** The bytes of stdin. */
function bytesOf(io: Io): ReadableStream<Uint8Array> {
  const chunks = io.stdin.bytes()[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => io.stdin.close(),
  });
}

/** The stream of the editor that has started this program. What has been asked before the end of stdin is answered. */
export function editorStream(io: Io): Stream {
  const requests = new OpenRequests();
  const decoder = new TextDecoder();
  // The SDK answers lines that are no messages by itself.
  const refusals = new WritableStream<Uint8Array>({
    write: (bytes) => io.stdout.write(decoder.decode(bytes)),
  });
  const waiting = new TransformStream<AnyMessage, AnyMessage>({
    transform: (message, controller) => {
      requests.came(message);
      controller.enqueue(message);
    },
    flush: () => requests.ended(),
  });
  return {
    readable: ndJsonStream(refusals, bytesOf(io)).readable.pipeThrough(waiting),
    writable: new WritableStream<AnyMessage>({
      async write(message) {
        await io.stdout.write(`${JSON.stringify(message)}\n`);
        requests.answered(message);
      },
    }),
  };
}

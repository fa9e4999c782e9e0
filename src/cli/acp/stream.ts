// Does: carries the messages of the Agent Client Protocol over stdin and stdout, one a line.
// Used by: src/cli/commands/fronts/acp.ts.
// Invariant: a write resolves once the system has taken it, so that a slow editor slows down its own events alone.
import { type AnyMessage, ndJsonStream, type Stream } from "@agentclientprotocol/sdk";
import type { Io } from "../subcommand.ts";

/** The stream of the editor that has started this program. */
export function editorStream(io: Io): Stream {
  const decoder = new TextDecoder();
  const chunks = io.stdin.bytes()[Symbol.asyncIterator]();
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => io.stdin.close(),
  });
  // The SDK answers lines that are no messages by itself.
  const refusals = new WritableStream<Uint8Array>({
    write: (bytes) => io.stdout.write(decoder.decode(bytes)),
  });
  return {
    readable: ndJsonStream(refusals, input).readable,
    writable: new WritableStream<AnyMessage>({
      write: (message) => io.stdout.write(`${JSON.stringify(message)}\n`),
    }),
  };
}

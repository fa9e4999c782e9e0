// The text that a user pipes into a subcommand with `-`.
// Used by: `run` and `call`.
import { CommandError, type Io, UsageError } from "./subcommand.ts";

/** Most bytes that are read: more than a message may have. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Everything on stdin, as UTF-8. Throws when it is a terminal, or holds too much. */
export async function textOfInput(io: Io): Promise<string> {
  if (io.stdin.isTerminal) throw new UsageError("- reads from a pipe or a file, and stdin is a terminal");
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of io.stdin.bytes()) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) throw new CommandError(`stdin has more than ${MOST_BYTES} bytes`);
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError("stdin is not UTF-8 text");
    throw error;
  }
}

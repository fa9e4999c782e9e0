// Notices that the reader of stdout has gone while there is nothing to write, such as `head` after its last line.
// Used by: `run` and `tail`, which would otherwise go on until their next write.
import { type Io, ReaderGoneError } from "./subcommand.ts";

/** Milliseconds between two looks. A look starts a small program. */
const LOOK_MS = 2000;

/** Rejects with `ReaderGoneError` once nothing reads stdout; `stop` ends the watch. */
export function watchReader(io: Io): { readonly gone: Promise<never>; readonly stop: () => void } {
  let timer = { clear: (): void => {} };
  let stopped = false;
  const gone = new Promise<never>((_, reject) => {
    const look = async (): Promise<void> => {
      const isRead = await io.stdout.isRead();
      if (stopped) return;
      if (isRead) timer = io.after(LOOK_MS, () => void look());
      else reject(new ReaderGoneError("the reader of the output has closed it"));
    };
    timer = io.after(LOOK_MS, () => void look());
  });
  gone.catch(() => {});
  return {
    gone,
    stop: () => {
      stopped = true;
      timer.clear();
    },
  };
}

// Does: handles bash and abort_bash, a client's own shell commands (docs/PROTOCOL.md#session-commands).
// Used by: mod.ts. The mailbox runs one at a time, because pi has one abort handle for all of them.
import { COMMAND_GRACE_MS, SHELL_CHUNK_CHARS } from "../../../governor/limits.ts";
import { WholeText } from "../events/whole_text.ts";
import { done, type Entry, on, onFile } from "./handler.ts";

/** The group's handlers. */
export const BASH: readonly Entry[] = [
  onFile("bash", async (session, { id, command, excludeFromContext }) => {
    const text = new WholeText();
    const tell = (chunk: string): void => {
      if (chunk === "") return;
      session.emit({ type: "bash_output", ...(id === undefined ? {} : { commandId: id }), chunk });
    };
    const show = (piece: string): void => {
      for (let at = 0; at < piece.length; at += SHELL_CHUNK_CHARS) {
        tell(text.push(piece.slice(at, at + SHELL_CHUNK_CHARS)));
      }
    };
    const outcome = await session.agent.bash(
      command,
      excludeFromContext ?? false,
      show,
    );
    tell(text.end());
    // The result joins the messages without an event; during a run only at the next prompt.
    if (!session.agent.busy()) session.rewritten();
    return outcome.ok ? done(outcome.value) : outcome;
  }, {
    holdMs: COMMAND_GRACE_MS,
    stop: (session) => session.agent.abortBash(),
  }),
  on("abort_bash", (session) => {
    session.agent.abortBash();
    return done({});
  }),
];

// Does: handles bash and abort_bash, a client's own shell commands (docs/PROTOCOL.md#session-commands).
// Used by: mod.ts. The mailbox runs one at a time, because pi has one abort handle for all of them.
import { COMMAND_GRACE_MS } from "../../../governor/limits.ts";
import { WholeText } from "../events/whole_text.ts";
import { done, type Entry, on, onFile } from "./handler.ts";

/** The group's handlers. */
export const BASH: readonly Entry[] = [
  onFile("bash", async (session, { id, command, excludeFromContext }) => {
    const text = new WholeText();
    const show = (chunk: string): void => {
      if (chunk === "") return;
      session.emit({ type: "bash_output", ...(id === undefined ? {} : { commandId: id }), chunk });
    };
    const outcome = await session.agent.bash(
      command,
      excludeFromContext ?? false,
      (chunk) => show(text.push(chunk)),
    );
    show(text.end());
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

// Sends what was typed: as a prompt when the agent is idle, into the queue when it works, to the shell after `!`.
import type { Console } from "../app/console.ts";
import type { SessionFeed } from "../session/feed.ts";
import type { Typed } from "./input.ts";
import type { Attachment } from "./pictures.ts";

/** How a message joins a run that is under way. */
export type Way = "steer" | "followUp";

/** Sends it; resolves when the server has taken it, of a shell command when that has ended. */
export async function sendTyped(
  { link }: Console,
  feed: SessionFeed,
  sessionId: string,
  what: Typed,
  pictures: readonly Attachment[],
  way: Way,
): Promise<void> {
  if (what.kind === "shell") {
    feed.transcript.shellCommand(what.command);
    await link.request("bash", { sessionId, command: what.command, excludeFromContext: what.hidden });
    return await feed.loadNewest();
  }
  const message = what.kind === "message" ? what.message : "See the pictures";
  const images = pictures.map(({ type, data, mimeType }) => ({ type, data, mimeType }));
  // The server takes `streamingBehavior` for an idle agent as well, so a run that ends just now loses nothing.
  await link.request("prompt", {
    ...{ sessionId, message, streamingBehavior: way },
    ...(images.length === 0 ? {} : { images }),
  });
}

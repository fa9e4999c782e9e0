// The inbox: every open question of every session, oldest first, answerable in place.
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { DialogForm } from "../parts/dialog_form.tsx";

/** The page of open questions. */
export function Inbox() {
  const { dialogs, link } = useConsole();
  const open = useCell(dialogs.open);
  const connected = useCell(link.state) === "connected";
  const sorted = [...open].sort((a, b) => a.since - b.since);
  return (
    <div class="page narrow">
      <header class="pagehead">
        <h1>Inbox</h1>
      </header>
      <div aria-live="polite" aria-relevant="additions">
        {sorted.length === 0 && (
          <div class="empty">
            <p>
              {connected
                ? "No session waits for you"
                : "The questions are not known while there is no connection"}
            </p>
            <p class="hint">When an extension asks something, it stands here until it is answered.</p>
          </div>
        )}
        {sorted.map((dialog) => <DialogForm key={dialog.requestId} dialog={dialog} named />)}
      </div>
    </div>
  );
}

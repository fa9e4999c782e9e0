// Messages that a crash has kept from finishing: a person sends them again or dismisses them.
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { clip, visible } from "../text/format.ts";
import type { SessionFeed } from "./feed.ts";
import { Button } from "../parts/button.tsx";

interface Props {
  readonly feed: SessionFeed;
  readonly sessionId: string;
}

/** The interrupted messages of a session, when there are any. */
export function Interrupted({ feed, sessionId }: Props) {
  const console = useConsole();
  const mayDrive = useMay("drive");
  const list = useCell(feed.info)?.interrupted ?? [];
  if (list.length === 0) return null;
  const dismiss = (): void =>
    void console.attempt(async () => {
      await console.link.request("dismiss_interrupted", { sessionId });
      await feed.refresh();
    });
  return (
    <section class="ask" aria-label="Interrupted messages">
      <h2>The server went down before these messages were done</h2>
      <ul class="plainlist">
        {list.slice(0, 5).map((one, index) => (
          <li key={index}>
            <bdi class="said">{clip(visible(one.message), 300)}</bdi>
            {mayDrive && (
              <Button class="quiet" onClick={() => feed.offer(one.message)}>
                Put into the prompt
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayDrive && (
        <div class="choices">
          <Button onClick={dismiss}>Dismiss</Button>
        </div>
      )}
    </section>
  );
}

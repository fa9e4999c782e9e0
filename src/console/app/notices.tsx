// Short messages at the edge of the page: what failed, what was done. Screen readers hear them.
import { errorMessage } from "../../base/error_message.ts";
import { Cell, useCell } from "./cell.ts";
import { Button } from "../parts/button.tsx";

/** A message for the reader. */
export interface Notice {
  readonly id: number;
  readonly kind: "error" | "done";
  readonly text: string;
}

const SHOWN_MS = 6000;
const MOST = 4;

/** What the page tells. */
export class Notices {
  readonly list = new Cell<readonly Notice[]>([]);
  #next = 1;

  /** Tells that something was done. */
  done(text: string): void {
    this.#add("done", text);
  }

  /** Tells what went wrong. */
  failed(error: unknown): void {
    this.#add("error", errorMessage(error));
  }

  close(id: number): void {
    this.list.set(this.list.value.filter((notice) => notice.id !== id));
  }

  #add(kind: Notice["kind"], text: string): void {
    const id = this.#next++;
    const same = this.list.value.filter((notice) => notice.text !== text);
    this.list.set([...same, { id, kind, text: text.slice(0, 600) }].slice(-MOST));
    setTimeout(() => this.close(id), kind === "error" ? SHOWN_MS * 2 : SHOWN_MS);
  }
}

/** The messages, one below the other. */
export function NoticeList({ notices }: { readonly notices: Notices }) {
  const list = useCell(notices.list);
  return (
    <div class="notices" role="status" aria-live="polite">
      {list.map(({ id, kind, text }) => (
        <div key={id} class={`notice ${kind}`}>
          <span dir="auto">{text}</span>
          <Button class="icon" aria-label="Close the message" onClick={() => notices.close(id)}>
            ×
          </Button>
        </div>
      ))}
    </div>
  );
}

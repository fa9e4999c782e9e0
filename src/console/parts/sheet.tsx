// A sheet over the page: a dialog of the browser's own, so focus stays inside, Escape closes it, and what is below is
// out of reach.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { Button } from "./button.tsx";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  /** `side`: at the right edge of wide windows. */
  readonly kind?: "side" | "middle";
  readonly children: ComponentChildren;
}

/** A titled sheet. */
export function Sheet({ title, onClose, kind = "middle", children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog
      ref={element}
      class={`sheet ${kind}`}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        // The backdrop belongs to the element, its content does not.
        if (event.target === element.current) element.current?.close();
      }}
    >
      <div class="sheetbody">
        <header class="sheethead">
          <h2>{title}</h2>
          <Button class="icon" aria-label="Close" onClick={() => element.current?.close()}>
            <Icon name="close" />
          </Button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

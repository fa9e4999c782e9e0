// A button that opens a short list of actions. Arrow keys move, Escape and a click elsewhere close it. The keys count on
// the button too, where the focus is until the list has been drawn.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";

interface Props {
  readonly label: string;
  readonly icon: ComponentChildren;
  /** Buttons with the role `menuitem`. */
  readonly children: ComponentChildren;
}

/** A menu of buttons. */
export function Menu({ label, icon, children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    list.current?.querySelector("button")?.focus();
    const away = (event: Event): void => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    };
    addEventListener("pointerdown", away);
    return () => removeEventListener("pointerdown", away);
  }, [open]);
  const close = (): void => {
    setOpen(false);
    root.current?.querySelector("button")?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") close();
    if (event.key === "Tab") setOpen(false);
    if (step === 0) return;
    event.preventDefault();
    const items = [...list.current?.querySelectorAll("button") ?? []];
    const at = items.findIndex((item) => item === document.activeElement);
    items[(at + step + items.length) % items.length]?.focus();
  };
  return (
    <div class="menu" ref={root} onKeyDown={open ? onKey : undefined}>
      <Button
        class="icon"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {icon}
      </Button>
      {open && (
        <div
          class="menulist"
          role="menu"
          aria-label={label}
          ref={list}
          onClick={() => setOpen(false)}
        >
          {children}
        </div>
      )}
    </div>
  );
}

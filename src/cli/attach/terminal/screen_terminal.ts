// pi-tui's terminal over the device of the runtime: the alternate screen, so that what the person had before comes
// back afterwards, keys cut into whole sequences, and the extended keys of terminals that have them.
import { setKittyProtocolActive, StdinBuffer, type Terminal } from "@mariozechner/pi-tui";
import type { Timer } from "../../../runtime/runtime.ts";
import type { Io, TerminalDevice, TerminalEnd } from "../../../runtime/terminal/io.ts";

const ALTERNATE_SCREEN = "\x1b[?1049h";
const BRACKETED_PASTE = "\x1b[?2004h";
const ASK_KITTY_KEYS = "\x1b[?u";
const KITTY_KEYS = "\x1b[>7u";
const XTERM_KEYS = "\x1b[>4;2m";
/** Undoes all of these, in a terminal that has some of them alone too, with plain text and a cursor. */
const RESTORE = "\x1b[?2026l\x1b[<u\x1b[>4;0m\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
const SAVE_TITLE = "\x1b[22;0t";
const RESTORE_TITLE = "\x1b[23;0t";
/** So long a terminal has to say that it has Kitty's keys, before xterm's are tried. */
const KITTY_ANSWER_MS = 150;
/** So long the rest of a sequence may take; a lone ESC is a key then. */
const SEQUENCE_MS = 20;
// deno-lint-ignore no-control-regex
const KITTY_ANSWER = /^\x1b\[\?\d+u$/;
// deno-lint-ignore no-control-regex
const CLEAR_SCROLLBACK = /\x1b\[3J/g;

/** The terminal that pi-tui draws on. */
export class ScreenTerminal implements Terminal {
  readonly #device: TerminalDevice;
  readonly #clock: Pick<Io, "after">;
  readonly #onEnd: (reason: TerminalEnd) => void;
  readonly #keys = new StdinBuffer({ timeout: SEQUENCE_MS });
  #kitty = false;
  #open = false;
  /** The title that an extension has set; empty while the terminal has its own. */
  #title = "";
  #timer: Timer | undefined;

  constructor(device: TerminalDevice, clock: Pick<Io, "after">, onEnd: (reason: TerminalEnd) => void) {
    this.#device = device;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  start(onInput: (data: string) => void, onResize: () => void): void {
    this.#keys.on("data", (sequence: string) => {
      if (!this.#kitty && KITTY_ANSWER.test(sequence)) {
        this.#kitty = true;
        setKittyProtocolActive(true);
        this.write(KITTY_KEYS);
      } else onInput(sequence);
    });
    this.#keys.on("paste", (text: string) => onInput(`\x1b[200~${text}\x1b[201~`));
    this.#open = true;
    this.#device.open((text) => this.#keys.process(text), onResize, this.#onEnd);
    this.write(`${ALTERNATE_SCREEN}\x1b[2J\x1b[H${BRACKETED_PASTE}${ASK_KITTY_KEYS}`);
    this.#timer = this.#clock.after(KITTY_ANSWER_MS, () => {
      if (!this.#kitty && this.#open) this.write(XTERM_KEYS);
    });
  }

  /** Gives the terminal back. Safe at any time, and more than once. */
  stop(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.clear();
    this.#keys.destroy();
    setKittyProtocolActive(false);
    this.#device.close(this.#title === "" ? RESTORE : RESTORE_TITLE + RESTORE);
  }

  drainInput(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing is drawn any more once the terminal was given back. What was there before stays in its memory. */
  write(data: string): void {
    if (this.#open) this.#device.write(data.replaceAll(CLEAR_SCROLLBACK, ""));
  }

  get columns(): number {
    return this.#device.columns;
  }

  get rows(): number {
    return this.#device.rows;
  }

  get kittyProtocolActive(): boolean {
    return this.#kitty;
  }

  moveBy(lines: number): void {
    if (lines !== 0) this.write(`\x1b[${Math.abs(lines)}${lines > 0 ? "B" : "A"}`);
  }

  hideCursor(): void {
    this.write("\x1b[?25l");
  }

  showCursor(): void {
    this.write("\x1b[?25h");
  }

  clearLine(): void {
    this.write("\x1b[K");
  }

  clearFromCursor(): void {
    this.write("\x1b[J");
  }

  clearScreen(): void {
    this.write("\x1b[2J\x1b[H");
  }

  /** @param title harmless already */
  setTitle(title: string): void {
    if (title === this.#title) return;
    if (this.#title === "") this.write(SAVE_TITLE);
    this.#title = title;
    this.write(`\x1b]0;${title}\x07`);
  }

  setProgress(): void {}
}

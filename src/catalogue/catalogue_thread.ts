// Does: runs the catalogue for one server: takes its messages, and answers each call.
// Used by: worker.ts in a thread of its own, and catalogue_link.ts with `--workers 0`. It never loads pi.
// Invariant: calls are answered in any order, and news of files arrive before the calls behind them.
import type { FromCatalogue, ToCatalogue } from "../ipc/catalogue_messages.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { Catalogue } from "./catalogue.ts";

/** Milliseconds between two reports of changes. */
const REPORT_MS = 1_000;

/** The catalogue of one server. */
export class CatalogueThread {
  readonly #runtime: Runtime;
  readonly #post: (message: FromCatalogue) => void;
  #catalogue: Catalogue | undefined;
  #reporting: Timer | undefined;
  #closed = false;

  constructor(runtime: Runtime, post: (message: FromCatalogue) => void) {
    this.#runtime = runtime;
    this.#post = post;
  }

  /** Takes a message of the server thread. */
  receive(message: ToCatalogue): void {
    if (message.kind === "open") {
      const catalogue = new Catalogue({
        runtime: this.#runtime,
        config: message.config,
        changed: () => this.#report(),
        log: (level, text, fields) => this.#post({ kind: "log", level, message: text, fields }),
      });
      this.#catalogue = catalogue;
      // A failure is the answer to each call.
      catalogue.open().then(() => this.#report(), () => {});
      return;
    }
    const catalogue = this.#catalogue;
    if (catalogue === undefined) throw new Error(`The catalogue got ${message.kind} before it was opened`);
    const { owners, archived } = catalogue.visibility;
    switch (message.kind) {
      case "call":
        void catalogue.answer(message.call).then((answer) => {
          this.#post({ kind: "answer", ref: message.ref, answer });
        });
        return;
      case "owner":
        if (message.sessionId === undefined) owners.delete(message.file);
        else owners.set(message.file, message.sessionId);
        return;
      case "archived":
        if (message.archived) archived.add(message.file);
        else archived.delete(message.file);
        return;
      case "touched":
        void catalogue.index.touched(message.file);
        return;
      case "close":
        this.#closed = true;
        this.#reporting?.clear();
        void catalogue.close().then(() => this.#post({ kind: "closed" }));
    }
  }

  /** Reports changes, many of them together. */
  #report(): void {
    if (this.#closed) return;
    this.#reporting ??= this.#runtime.after(REPORT_MS, () => {
      this.#reporting = undefined;
      const progress = this.#catalogue?.index.progress;
      if (progress !== undefined) this.#post({ kind: "changed", ...progress });
    });
  }
}

// Session files that a host looks into before it is known under which id they are loaded.
import type { FromWorker, ToWorker } from "../../ipc/messages.ts";
import type { CommandOf } from "../../protocol/schema/commands.ts";
import type { PendingCommands, ReplyTo } from "../workers/pending_commands.ts";

/** Called with the file's own id and its canonical path. */
export type OnHeader = (id: string, file: string) => void;

/** Files that are looked into. */
export class HeaderQueries {
  readonly #pending: PendingCommands;
  readonly #send: (host: number, message: ToWorker) => void;
  readonly #open = new Map<number, OnHeader>();

  constructor(pending: PendingCommands, send: (host: number, message: ToWorker) => void) {
    this.#pending = pending;
    this.#send = send;
  }

  /** Has a host look; when it cannot, the asker is told, and `go` is never called. */
  query(host: number, { type, sessionPath }: CommandOf<"load_session">, asker: ReplyTo, go: OnHeader): void {
    const ref = this.#pending.expectWithTimeout(host, asker, type, () => this.#open.delete(ref));
    this.#open.set(ref, go);
    this.#send(host, { kind: "read_header", ref, sessionPath });
  }

  onHeader({ ref, id, file }: Extract<FromWorker, { kind: "header" }>): void {
    const go = this.#open.get(ref);
    this.#open.delete(ref);
    if (this.#pending.cancel(ref)) go?.(id, file);
  }
}

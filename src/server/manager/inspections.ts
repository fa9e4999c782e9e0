// Session files that a host looks into before it is known under which id they are loaded.
import type { FromHost, ToHost } from "../../ipc/messages.ts";
import type { CommandOf } from "../../protocol/schema/commands.ts";
import type { Asker, PendingCommands } from "../workers/pending_commands.ts";

/** Called with the file's own id and its canonical path. */
export type Inspected = (id: string, file: string) => void;

/** Files that are looked into. */
export class Inspections {
  readonly #pending: PendingCommands;
  readonly #send: (host: number, message: ToHost) => void;
  readonly #open = new Map<number, Inspected>();

  constructor(pending: PendingCommands, send: (host: number, message: ToHost) => void) {
    this.#pending = pending;
    this.#send = send;
  }

  /** Has a host look; when it cannot, the asker is told, and `go` is never called. */
  ask(host: number, { type, sessionPath }: CommandOf<"load_session">, asker: Asker, go: Inspected): void {
    const ref = this.#pending.expectSoon(host, asker, type, () => this.#open.delete(ref));
    this.#open.set(ref, go);
    this.#send(host, { kind: "inspect", ref, sessionPath });
  }

  answered({ ref, id, file }: Extract<FromHost, { kind: "inspected" }>): void {
    const go = this.#open.get(ref);
    this.#open.delete(ref);
    if (this.#pending.drop(ref)) go?.(id, file);
  }
}

// Does: knows the trusted folders: all of them, or those in the server thread's trust store.
// Used by: session_worker.ts. It reports new statements of clients to the server thread.
import type { FromWorker, WorkerConfig } from "../ipc/messages.ts";

/** The trusted folders. */
export class TrustedFolders {
  readonly #send: (message: FromWorker) => void;
  readonly #folders = new Set<string>();
  #all = false;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Takes the start configuration of the worker. */
  start({ trustProjects, trustedFolders }: WorkerConfig): void {
    this.#all = trustProjects;
    for (const folder of trustedFolders ?? []) this.#folders.add(folder);
  }

  /** Whether pi may load the resources of a folder when the client does not say. `folder` is canonical. */
  has(folder: string): boolean {
    return this.#all || this.#folders.has(folder);
  }

  /** Stores a client's statement. It holds here, on other workers, and after a restart. */
  trust(folder: string, trusted: boolean): void {
    this.setTrusted(folder, trusted);
    this.#send({ kind: "trust_folder", folder, trusted });
  }

  /** Takes a change from the server thread. */
  setTrusted(folder: string, trusted: boolean): void {
    if (trusted) this.#folders.add(folder);
    else this.#folders.delete(folder);
  }
}

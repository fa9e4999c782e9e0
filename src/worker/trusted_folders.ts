// This host's view of the folders that are trusted: all of them, or those that the router thread's book
// remembers. Tells the book what clients say of folders.
import type { FromWorker, WorkerConfig } from "../ipc/messages.ts";

/** The trusted folders. */
export class TrustedFolders {
  readonly #send: (message: FromWorker) => void;
  readonly #folders = new Set<string>();
  #all = false;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** What the host was started with. */
  start({ trustProjects, trustedFolders }: WorkerConfig): void {
    this.#all = trustProjects;
    for (const folder of trustedFolders ?? []) this.#folders.add(folder);
  }

  /** Whether what that folder brings along is loaded when nobody says anything; `folder` is canonical. */
  has(folder: string): boolean {
    return this.#all || this.#folders.has(folder);
  }

  /** A client has said so: it holds from now on, here, on other hosts and after a restart. */
  trust(folder: string, trusted: boolean): void {
    this.setTrusted(folder, trusted);
    this.#send({ kind: "trust_folder", folder, trusted });
  }

  /** What the book says of a folder. */
  setTrusted(folder: string, trusted: boolean): void {
    if (trusted) this.#folders.add(folder);
    else this.#folders.delete(folder);
  }
}

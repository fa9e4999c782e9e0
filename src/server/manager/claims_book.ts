// Which session drives which session file, across all hosts of this server: one session a file. Pure.

/** The book of session files. */
export class FileOwners {
  readonly #owners = new Map<string, string>();
  readonly #changed: (file: string, sessionId: string | undefined) => void;

  /** @param changed told of every change, for the hosts' lists */
  constructor(changed: (file: string, sessionId: string | undefined) => void) {
    this.#changed = changed;
  }

  /** The session that drives a file. */
  owner(file: string): string | undefined {
    return this.#owners.get(file);
  }

  /** All files with their sessions. */
  get all(): readonly (readonly [file: string, sessionId: string])[] {
    return [...this.#owners];
  }

  /** Claims a file for a session; the id of another one that has it. */
  claim(file: string, sessionId: string): string | undefined {
    const owner = this.#owners.get(file);
    if (owner !== undefined && owner !== sessionId) return owner;
    this.#set(file, sessionId);
    return undefined;
  }

  /** The session drives that file alone from now on, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    for (const [other, owner] of [...this.#owners]) {
      if (owner !== sessionId || other === file) continue;
      this.#owners.delete(other);
      this.#changed(other, undefined);
    }
    if (file !== undefined) this.#set(file, sessionId);
  }

  #set(file: string, sessionId: string): void {
    if (this.#owners.get(file) === sessionId) return;
    this.#owners.set(file, sessionId);
    this.#changed(file, sessionId);
  }
}

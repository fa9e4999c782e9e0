// Does: types what the extensions that pi has built in need from a session. Types only.
// Used by: the files of both engines, and factory.ts.

/** The parts of a session that its built-in extensions ask for. A replacement may change the folder and its trust. */
export interface BuiltInParts {
  /** pi's own folder. */
  readonly agentDir: string;
  readonly cwd: () => string;
  /** Whether the user trusts that folder. */
  readonly trusted: () => boolean;
  /** Whether a file is missing, or plain and small enough to read. Anything else is reported. */
  readonly readable: (path: string) => boolean;
}

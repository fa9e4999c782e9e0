// Does: types a warning of pi after a load. Types only.
// Used by: the files of both engines, and load_problems.ts.

/** A warning about an extension, a package or a setting. */
export interface LoadWarning {
  /** Path of the extension or package. Empty when pi names none. */
  readonly path: string;
  readonly warning: string;
}

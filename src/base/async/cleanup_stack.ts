// Does: undoes what was built, in reverse order.
// Used by: composition roots. Node 20 lacks AsyncDisposableStack, which has the same method names.
// Invariant: every step runs once, also when an earlier one fails.

/** Steps that undo what was built. */
export class CleanupStack {
  readonly #steps: (() => unknown)[] = [];

  /** Adds a step, which runs before all that were added earlier. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs every step that has not run yet, newest first. Throws the first error once all have run. */
  async disposeAsync(): Promise<void> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

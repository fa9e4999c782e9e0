// Does: knows until when this thread may write to session files, where nodes share them (`--shared-sessions`).
// Used by: session_worker.ts. Uses: write_fence.ts, which asks before each write.
import { deadline } from "../base/async/deadline.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { fenceWrites } from "./session/file_check/write_fence.ts";

/** Milliseconds that the build of a session waits until this thread may write. */
const GRANT_MS = 10_000;

/** The lease of one worker. Without `share` it holds for ever. */
export class WriteLease {
  readonly #runtime: Runtime;
  #isShared = false;
  /** The end on the steady clock. */
  #until = 0;
  /** The steady clock stands still while a machine sleeps, and the wall clock does not. */
  #untilWall = 0;
  #waiting: (() => void)[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** From now on this thread writes only while it has a lease. */
  share(): void {
    this.#isShared = true;
    fenceWrites(() => this.#isValid);
  }

  /** What the server thread needs for the next lease. */
  get time(): { readonly steady?: number } {
    return this.#isShared ? { steady: this.#runtime.steady() } : {};
  }

  get #isValid(): boolean {
    return !this.#isShared || this.#runtime.steady() < this.#until && this.#runtime.now() < this.#untilWall;
  }

  /** @param until the end, on the steady clock */
  extend(until: number): void {
    const { steady, now } = this.#runtime;
    this.#until = until;
    this.#untilWall = now() + Math.max(0, until - steady());
    if (!this.#isValid) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Resolves when this thread may write; undefined when it may already. During the load of pi this thread reads no
   * message, so the lease arrives behind it.
   */
  granted(): Promise<void> | undefined {
    if (this.#isValid) return undefined;
    const granted = new Promise<void>((resolve) => this.#waiting.push(resolve));
    return deadline(this.#runtime, GRANT_MS, granted, undefined);
  }
}

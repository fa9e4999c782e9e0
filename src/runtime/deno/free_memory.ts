// Does: gives memory that this process has freed back to the system (glibc's `malloc_trim`).
// Used by: unfinished_watch.ts, after peers that held much have gone.
// Invariant: without it, freed pieces of growing messages stay with the process, three bytes for each that is in use.

const FUNCTIONS = { malloc_trim: { parameters: ["usize"], result: "i32" } } as const;

/** Calls the function. */
export class FreeMemory implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof FUNCTIONS>;

  private constructor(library: Deno.DynamicLibrary<typeof FUNCTIONS>) {
    this.#library = library;
  }

  /** Undefined where the system has no such function, or Deno has no permission to call it. */
  static open(): FreeMemory | undefined {
    if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
      return undefined;
    }
    try {
      return new FreeMemory(Deno.dlopen("libc.so.6", FUNCTIONS));
    } catch {
      // Another library of C.
      return undefined;
    }
  }

  giveBack(): void {
    this.#library.symbols.malloc_trim(0n);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

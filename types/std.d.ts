// Types of the parts of @std that this project imports. The npm mirror of @std carries no types; with
// `jsr:` specifiers in deno.json this file (and its line in compilerOptions) can go.

declare module "@std/assert" {
  /** Fails unless `actual` is truthy, and narrows it. */
  export function assert(expr: unknown, msg?: string): asserts expr;
  /** Deep equality. */
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  /** Deep inequality. */
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  /** Identity. */
  export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;
  /** `actual` contains `expected`. */
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  /** Every expected item is in `actual`. */
  export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void;
  /** `actual` is neither null nor undefined. */
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  /** `actual` matches `expected`. */
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  /** `actual` does not match `expected`. */
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
  /** `actual >= expected`. */
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  /** `actual > expected`. */
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  /** `actual < expected`. */
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  /** Each property of `expected` is in `actual` with an equal value. */
  export function assertObjectMatch(
    actual: Record<PropertyKey, unknown>,
    expected: Record<PropertyKey, unknown>,
    msg?: string,
  ): void;
  /** `fn` throws; the error is returned. */
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  /** The promise that `fn` returns rejects; the reason is returned. */
  export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  /** Fails unless the promise rejects with an error of that class whose message includes that text. */
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    errorClass: new (...args: never[]) => E,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;
  /** Always fails. */
  export function fail(msg?: string): never;
}

declare module "@std/async/delay" {
  /** Resolves after `ms` milliseconds. */
  export function delay(ms: number, options?: { signal?: AbortSignal; persistent?: boolean }): Promise<void>;
}

declare module "@std/async/deadline" {
  /** Rejects when `p` takes longer than `ms` milliseconds. */
  export function deadline<T>(p: Promise<T>, ms: number, options?: { signal?: AbortSignal }): Promise<T>;
}

declare module "@std/async/pool" {
  /** Maps with at most `poolLimit` calls under way. */
  export function pooledMap<T, R>(
    poolLimit: number,
    array: Iterable<T> | AsyncIterable<T>,
    iteratorFn: (data: T) => Promise<R>,
  ): AsyncIterableIterator<R>;
}

declare module "@std/cli/parse-args" {
  /** Options of {@linkcode parseArgs}. */
  export interface ParseOptions {
    boolean?: readonly string[];
    string?: readonly string[];
    collect?: readonly string[];
    negatable?: readonly string[];
    alias?: Record<string, string>;
    default?: Record<string, unknown>;
    "--"?: boolean;
    stopEarly?: boolean;
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }
  /** Parses command line arguments. */
  export function parseArgs(
    args: string[],
    options?: ParseOptions,
  ): Record<string, unknown> & { _: unknown[] };
}

declare module "@std/yaml" {
  /** Parses one YAML document. */
  export function parse(content: string): unknown;
}

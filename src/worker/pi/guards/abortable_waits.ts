// Does: ends an answer soon after an abort, whatever the provider's SDK waits for, and stops hidden retries of SDKs.
// Used by: the engines, which know where pi makes its requests.
import type { Api, AssistantMessage, Model } from "@mariozechner/pi-ai";
import { partialOf } from "./tool_call_guard.ts";

/** Milliseconds that a provider gets to end an aborted answer itself. */
const GRACE_MS = 250;
const ABORTED = "Request was aborted";
const NO_USAGE: AssistantMessage["usage"] = {
  ...{ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0 },
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 },
};

type Aborted = Omit<AssistantMessage, "diagnostics">;

/** A stream of either engine. */
interface Answer {
  push(event: { readonly type: "error"; readonly reason: "aborted"; readonly error: Aborted }): void;
  end(): void;
  result(): Promise<unknown>;
}

function abortedAnswer(stream: object, model: Pick<Model<Api>, "api" | "provider" | "id">): Aborted {
  const { api, provider, id } = model;
  const empty: AssistantMessage = {
    ...{ role: "assistant", content: [], api, provider, model: id, usage: NO_USAGE },
    stopReason: "aborted",
    timestamp: Date.now(),
  };
  return { ...empty, ...partialOf(stream), stopReason: "aborted", errorMessage: ABORTED };
}

/** Ends the stream soon after the abort, even when its provider sleeps. */
export function endOnAbort(
  stream: Answer,
  model: Pick<Model<Api>, "api" | "provider" | "id">,
  signal: AbortSignal | undefined,
): void {
  // An extension's provider may make streams of its own.
  if (signal === undefined || typeof Reflect.get(stream, "push") !== "function") return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (): void => {
    timer = setTimeout(() => {
      // A stream that has ended ignores further events.
      stream.push({ type: "error", reason: "aborted", error: abortedAnswer(stream, model) });
      stream.end();
    }, GRACE_MS);
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  void stream.result().finally(() => {
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
  });
}

/**
 * Options without retries of the SDK, unless the user's settings ask for them. pi retries itself and reports
 * it.
 */
export function withoutHiddenRetries<T extends { maxRetries?: number }>(options: T | undefined): T {
  return { ...options, maxRetries: options?.maxRetries ?? 0 } as T;
}

/** Calls that wait without a signal. */
export class Waits {
  readonly #all = new Set<() => void>();

  /** Returns the call's result, or an error as soon as {@linkcode end} is called. The call itself goes on. */
  race<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(new Error(ABORTED));
      this.#all.add(leave);
      call.then(resolve, reject).finally(() => this.#all.delete(leave));
    });
  }

  end(): void {
    for (const leave of this.#all) leave();
    this.#all.clear();
  }
}

// Does: follows each request of a provider to its model: its status, the kind of its answer, and why it failed.
// Used by: the engines (sdk/sdk_0_73.ts, sdk/sdk_1_6.ts), which know where pi makes its requests, and by answer_errors.ts.
// Invariant: other requests of the thread pass as they are, and no byte of an answer is changed.
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import { readAnswer } from "./answer_body.ts";

/** What is known of one request. */
export interface ModelRequest {
  readonly provider: string;
  readonly modelId: string;
  /** The key, so that no error shows it. */
  readonly secret: string | undefined;
  /** Milliseconds without a byte of the answer after which it counts as broken. Absent: it may be silent for ever. */
  readonly idleMs?: number | undefined;
  /** Status of the last answer. */
  status?: number;
  /** Its content type, without parameters. */
  contentType?: string;
  /** Why the request got no answer. */
  failure?: string;
}

const requests = new AsyncLocalStorage<ModelRequest>();
const WATCHED = new WeakSet<object>();
/** The kind of an answer that comes in events. */
const STREAM = "text/event-stream";
/** Causes that one error may have in a row. */
const DEEPEST = 5;

/** The request on whose behalf this code runs. */
export function currentRequest(): ModelRequest | undefined {
  return requests.getStore();
}

/** Runs what makes a request, so that its fetch is followed. */
export function followRequest<T>(
  model: { readonly provider: string; readonly id: string },
  secret: string | undefined,
  make: () => T,
  idleMs?: number,
): T {
  watchFetch();
  return requests.run({ provider: model.provider, modelId: model.id, secret, idleMs }, make);
}

/** A text without what may be secret in an address: user, password and query. */
function withoutSecrets(text: string): string {
  return text.replace(/\b([a-z]+:\/\/)[^\s/@]*@/gi, "$1").replace(/(\b[a-z]+:\/\/[^\s?)]*)\?[^\s)]*/gi, "$1");
}

/** An error in words, with its causes; runtimes hide the one that matters in `cause` or in a list. */
export function reasonOf(error: unknown): string {
  const parts: string[] = [];
  let at = error;
  for (let depth = 0; depth < DEEPEST && at instanceof Error; depth++) {
    const { message } = at;
    if (message !== "" && !parts.some((part) => part.includes(message))) parts.push(message);
    const list: unknown = Reflect.get(at, "errors");
    at = Array.isArray(list) ? list[0] : at.cause;
  }
  // "fetch failed" is Node's word for every error, and its cause says which.
  const telling = parts.filter((part, at) => at === parts.length - 1 || part !== "fetch failed");
  return withoutSecrets(telling.join(": ")) || "no reason given";
}

/**
 * The proxy that the environment names for that address; users take a proxy's failure for the provider's. Empty when
 * there is none, or `NO_PROXY` may name the host: which of its entries hold is the runtime's affair.
 */
export function proxyNote(url: URL, env: Readonly<Record<string, string | undefined>>): string {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = env[name] || env[name.toLowerCase()];
  const not = env["NO_PROXY"] || env["no_proxy"] || "";
  const kept = not.split(/[\s,]+/).map((entry) => entry.replace(/^\*?\./, "").replace(/:\d+$/, ""));
  const around = kept.some((entry) => entry !== "" && (entry === "*" || url.hostname.endsWith(entry)));
  return proxy === undefined || proxy === "" || around ? "" : withoutSecrets(` (through ${name}=${proxy})`);
}

/** The end of an error about a request to that address. */
function wayTo(input: Parameters<typeof fetch>[0]): string {
  const address = input instanceof Request ? input.url : String(input);
  return URL.canParse(address) ? proxyNote(new URL(address), process.env) : "";
}

/** Puts the follower around the fetch that the thread has now; an extension may have replaced it. */
function watchFetch(): void {
  const original = globalThis.fetch;
  if (WATCHED.has(original)) return;
  const watched: typeof fetch = async (input: Parameters<typeof fetch>[0], init?: RequestInit) => {
    const request = requests.getStore();
    if (request === undefined) return await original(input, init);
    try {
      const response = await original(input, init);
      request.status = response.status;
      request.contentType =
        (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
      delete request.failure;
      const streams = request.contentType === STREAM;
      if (!streams && request.idleMs === undefined) return response;
      const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
      return readAnswer(response, request.idleMs, signal);
    } catch (error) {
      request.failure = reasonOf(error) + wayTo(input);
      throw error;
    }
  };
  WATCHED.add(watched);
  globalThis.fetch = watched;
}

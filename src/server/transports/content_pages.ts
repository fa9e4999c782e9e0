// Does: answers `GET /content/<session>/<hash>`: a large text or image of a session's history, with ranges and ETag.
// Used by: websocket.ts, after the gate (docs/PROTOCOL.md#reading-a-long-history). Another node may hold the session.
// Invariant: one piece at a time is in memory, and a peer that reads nothing is dropped.
import { STALL_MS } from "../../governor/limits.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { ErrorCode, Failure } from "../../protocol/errors.ts";
import { type CommandOf, specOf } from "../../protocol/schema/commands.ts";
import type { HttpAnswer, HttpRequest } from "../../runtime/runtime.ts";
import type { Access } from "../auth/access.ts";
import { forbidden } from "../auth/authorization.ts";
import type { Router } from "../router/router.ts";

/** The content that a request names. */
export interface ContentName {
  readonly sessionId: string;
  readonly hash: string;
}

/** A piece, as a worker gives it. */
interface Piece {
  readonly kind: string;
  readonly size: number;
  readonly mediaType?: string;
  readonly data: string;
}

/** Where one request gets its pieces from. */
interface Source {
  read(command: CommandOf<"get_content">): Promise<Piece | Failure>;
  close(): void;
}

/** Bytes of one piece. */
const PIECE_BYTES = 256 * 1024;

const GET_CONTENT = specOf("get_content");

const UNREADABLE: Failure = { code: "internal", message: "The answer of another node cannot be read" };

/** Contents that peers may read at a time, and requests about contents on other nodes. */
const READERS = 64;

const TOO_MANY: Failure = {
  code: "overloaded",
  message: `${READERS} contents are being read already; try again`,
  retryAfterMs: 1_000,
};

/** Types of images that a browser shows and that run nothing. */
const SHOWN: ReadonlySet<string> = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/bmp",
]);

const STATUS: Partial<Record<ErrorCode, number>> = {
  session_not_found: 404,
  content_not_found: 404,
  forbidden: 403,
  rate_limited: 429,
  overloaded: 503,
  session_limit: 503,
  node_unavailable: 503,
  shutting_down: 503,
};

/** Headers of every answer about a content. Nothing in it may run in a browser. */
const HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "access-control-expose-headers": "accept-ranges, content-length, content-range, etag",
  "accept-ranges": "bytes",
};

/** The first and the last byte. */
type Range = readonly [first: number, last: number];

/** The range of a request: undefined for the whole, "none" for a range that the content does not have. */
export function rangeOf(header: string | undefined, size: number): Range | "none" | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  const [, from = "", to = ""] = found ?? [];
  // Several ranges, other units and nonsense count as no range (RFC 9110, 14.2).
  if (found === null || (from === "" && to === "")) return undefined;
  if (from === "") {
    const length = Math.min(size, Number(to));
    return length === 0 ? "none" : [size - length, size - 1];
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(size - 1, Number(to));
  if (to !== "" && Number(to) < first) return undefined;
  return first >= size ? "none" : [first, last];
}

/** Whether a list of entity tags names that one. */
const names = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);

function typeOf({ kind, mediaType = "" }: Piece): string {
  if (kind === "text") return "text/plain; charset=utf-8";
  if (kind === "json") return "application/json";
  return SHOWN.has(mediaType) ? mediaType : "application/octet-stream";
}

function refused({ code, message, retryAfterMs }: Failure): HttpAnswer {
  const retry = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return { status: STATUS[code] ?? 500, body: `${code}: ${message}\n`, headers: { ...HEADERS, ...retry } };
}

/** Answers the requests for contents. */
export class ContentPages {
  readonly #router: Router;
  #readers = 0;
  #remote = 0;

  constructor(router: Router) {
    this.#router = router;
  }

  /** The answer to a request of the holder of that token. */
  async page(request: HttpRequest, access: Access, name: ContentName): Promise<HttpAnswer> {
    const { governor, manager, clock } = this.#router.parts;
    const { sessionId } = name;
    const limited = governor.command(manager.has(sessionId) ? sessionId : undefined, clock.monotonic());
    if (limited !== undefined) return refused(limited);
    const refusal = forbidden(access, commandFor(name, 0, 1), GET_CONTENT);
    if (refusal !== undefined) return refused(refusal);
    const source = await this.#source(access, sessionId);
    if ("code" in source) return refused(source);
    let streams = false;
    try {
      const answer = await this.#answer(request, name, source);
      streams = answer.body instanceof ReadableStream;
      return answer;
    } finally {
      // A stream closes its source at its own end.
      if (!streams) source.close();
    }
  }

  async #answer(request: HttpRequest, name: ContentName, source: Source): Promise<HttpAnswer> {
    const found = await source.read(commandFor(name, 0, 1));
    if ("code" in found) return refused(found);
    const { size } = found;
    const etag = `"${name.hash}"`;
    const headers = { ...HEADERS, etag, "cache-control": "private, max-age=31536000, immutable" };
    const { headers: asked, method } = request;
    if (names(asked.get("if-none-match"), etag)) return { status: 304, body: "", headers };
    const fresh = asked.get("if-range") === undefined || asked.get("if-range") === etag;
    const range = method === "GET" && fresh ? rangeOf(asked.get("range"), size) : undefined;
    if (range === "none") {
      const body = `invalid_params: The content has ${size} bytes; ask for some of these\n`;
      return { status: 416, body, headers: { ...HEADERS, "content-range": `bytes */${size}` } };
    }
    const [first, last] = range ?? [0, size - 1];
    const described = {
      ...headers,
      "content-length": String(last - first + 1),
      ...(range === undefined ? {} : { "content-range": `bytes ${first}-${last}/${size}` }),
    };
    const contentType = typeOf(found);
    const status = range === undefined ? 200 : 206;
    if (method === "HEAD" || last < first) return { status, body: "", contentType, headers: described };
    if (this.#readers >= READERS) return refused(TOO_MANY);
    return { status, body: this.#stream(source, name, first, last), contentType, headers: described };
  }

  /** The bytes from `first` to `last`, piece by piece as the peer takes them. */
  #stream(source: Source, name: ContentName, first: number, last: number): ReadableStream<Uint8Array> {
    const { clock } = this.#router.parts;
    let at = first;
    let open = true;
    let stalled: ReturnType<typeof clock.after> | undefined;
    this.#readers++;
    const end = (): void => {
      stalled?.clear();
      if (!open) return;
      open = false;
      this.#readers--;
      source.close();
    };
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        stalled?.clear();
        const piece = await source.read(commandFor(name, at, Math.min(PIECE_BYTES, last - at + 1)));
        if (!open) return;
        const bytes = "code" in piece ? new Uint8Array() : decode(piece.data);
        if (bytes.length === 0) {
          end();
          return controller.error(new Error("The content has gone"));
        }
        at += bytes.length;
        controller.enqueue(bytes);
        if (at <= last) {
          stalled = clock.after(STALL_MS, () => {
            end();
            controller.error(new Error("The peer reads nothing"));
          });
          return;
        }
        end();
        controller.close();
      },
      cancel: end,
    }, { highWaterMark: 1 });
  }

  /** Where the pieces of a session come from: its worker here, or its node. */
  async #source(access: Access, sessionId: string): Promise<Source | Failure> {
    const { remote } = this.#router.parts;
    if (remote === undefined) return this.#here();
    if (this.#remote >= READERS) return TOO_MANY;
    this.#remote++;
    const reader = await remote.reader(access, sessionId);
    if (reader === undefined) {
      this.#remote--;
      return this.#here();
    }
    return {
      read: async (command) => {
        const answer = await reader.read(command);
        if (!answer.ok) return answer.failure;
        return isPiece(answer.data) ? answer.data : UNREADABLE;
      },
      close: () => {
        this.#remote--;
        reader.close();
      },
    };
  }

  /** The sessions of this server. */
  #here(): Source {
    const { manager } = this.#router.parts;
    const connection = this.#router.nextId();
    return {
      read: async (command) => {
        const reply = await new Promise<Reply>((resolve) => {
          const replyTo = { connection, onReleased: () => {}, answer: resolve };
          const failed = manager.forwardCommand(command, GET_CONTENT, replyTo);
          if (failed !== undefined) resolve({ ok: false, failure: failed });
        });
        if (!reply.ok) return reply.failure;
        // The worker has written this text.
        return JSON.parse(reply.dataText) as Piece;
      },
      close: () => {},
    };
  }
}

function commandFor({ sessionId, hash }: ContentName, offset: number, length: number) {
  return { type: "get_content", sessionId, ref: hash, offset, length } as const;
}

function isPiece(data: Record<string, unknown>): data is Record<string, unknown> & Piece {
  const { kind, size, data: bytes } = data;
  return typeof kind === "string" && typeof size === "number" && typeof bytes === "string";
}

function decode(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

// Does: makes the cursors of long lists, and checks those that come back (docs/PROTOCOL.md#long-lists). Pure.
// Used by: the lists of this folder. A cursor names its format, its server, its command, its list and a place in it.
// Invariant: it accepts only cursors that this server has made for the same command.
import type { ListPlace } from "../../ipc/catalogue_messages.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Outcome } from "../../protocol/failures.ts";

/** Incremented when a later server could misread a cursor. */
const FORMAT = 1;

const SHAPE =
  /^pc([0-9]{1,4})\.([A-Za-z0-9-]{1,64})\.([a-z_]{1,64})\.([0-9]{1,15})\.([0-9]{1,15})\.([0-9]{1,15})\.([A-Za-z0-9_-]{22})$/;

const MAC_CHARS = 22;

export interface PageCursorsParts {
  /** The id in this server's greeting. */
  serverId(): string;
  /** Known to this process alone. */
  readonly secret: string;
  /** SHA-256 in base64. */
  readonly sha256: (text: string) => string;
  readonly equalTexts: (a: string, b: string) => boolean;
}

const AGAIN = "send the command again without a cursor";

/** The list of a cursor is gone. */
export function cursorExpired(): Failure {
  return failure("cursor_expired", `The list of this cursor is no longer kept; ${AGAIN}`);
}

/** The cursors of one server. */
export class PageCursors {
  readonly #parts: PageCursorsParts;

  constructor(parts: PageCursorsParts) {
    this.#parts = parts;
  }

  /** The cursor for the next page of a list. */
  encode(command: string, { key, at, offset = 0 }: Omit<ListPlace, "offset"> & { offset?: number }): string {
    const text = `pc${FORMAT}.${this.#parts.serverId()}.${command}.${key}.${at}.${offset}`;
    return `${text}.${this.#mac(text)}`;
  }

  /** Where a cursor leads, or what is wrong with it. */
  decode(command: string, cursor: string): Outcome<ListPlace> {
    const [, format, serverId, name, key, at, offset, mac = ""] = SHAPE.exec(cursor) ?? [];
    const refuse = (code: "cursor_invalid" | "cursor_version" | "cursor_foreign", why: string) => {
      return { ok: false, failure: failure(code, `${why}; ${AGAIN}`) } as const;
    };
    // A later format may look otherwise behind its number.
    const [, other] = /^pc([0-9]{1,4})\./.exec(cursor) ?? [];
    if (other !== undefined && Number(other) !== FORMAT) {
      return refuse(
        "cursor_version",
        `The cursor has the format ${Number(other)}, and this server reads ${FORMAT}`,
      );
    }
    if (format === undefined) return refuse("cursor_invalid", "/cursor: not a cursor of a list");
    if (serverId !== this.#parts.serverId()) {
      return refuse(
        "cursor_foreign",
        "The cursor is of another server, or of this one before its last start",
      );
    }
    if (!this.#parts.equalTexts(mac, this.#mac(cursor.slice(0, -MAC_CHARS - 1)))) {
      return refuse("cursor_invalid", "/cursor: this server has not made this cursor");
    }
    if (name !== command) return refuse("cursor_invalid", `/cursor: the cursor belongs to ${name}`);
    return { ok: true, value: { key: Number(key), at: Number(at), offset: Number(offset) } };
  }

  #mac(text: string): string {
    const { sha256, secret } = this.#parts;
    // Twice, because a hash of one pass can be continued without the secret.
    const hash = sha256(`${secret} ${sha256(`${secret} ${text}`)}`);
    return hash.slice(0, MAC_CHARS).replaceAll("+", "-").replaceAll("/", "_");
  }
}

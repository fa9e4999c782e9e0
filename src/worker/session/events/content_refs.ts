// Does: replaces large texts and images of a session's history by references, and finds them again.
// Used by: the handlers that return history, snapshots, and the encoder of events.
// Invariant: it stores no content. A reference names a hash, and the content is looked up in the session's history.
import { isRecord } from "../../../base/json.ts";
import { toJson } from "../../../base/text.ts";
import { BLOCK_CHARS, CONTENT_BYTES, LEAST_BLOCK_CHARS } from "../../../governor/limits.ts";
import { failure } from "../../../protocol/errors.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import type { ContentRef } from "../../../protocol/schema/results.ts";
import type { Clock, ContentBytes } from "../../../runtime/runtime.ts";
import { leastUnits } from "./bounded_json.ts";

/** Where a content is: a field of an object, or without a name the whole object as JSON. */
interface Place {
  readonly holder: WeakRef<object>;
  readonly field: string | undefined;
}

/** A reference that was made, with the text that it is of. */
interface Made {
  readonly text: string;
  readonly ref: ContentRef;
}

/** A content, ready to be cut into pieces. */
export interface Content {
  readonly ref: ContentRef;
  /** The bytes from `offset` on, at most `length` of them. */
  slice(offset: number, length: number): Uint8Array;
}

/** A piece of a content, in base64. */
export interface ContentPiece extends ContentRef {
  readonly offset: number;
  readonly data: string;
  /** Where the next piece begins. Undefined for the last one. */
  readonly nextOffset?: number;
}

/** References that a session remembers. An older one is found by a search of the history. */
const REMEMBERED = 50_000;

/** Levels of an item in which texts are looked for. */
const DEPTH = 32;

/** Characters that are hashed before other work may run. */
const TURN_CHARS = 8 * 1024 * 1024;

/** Characters of a field that stays when a whole item goes by reference, and the number of such fields. */
const HEAD_CHARS = 256;
const HEAD_FIELDS = 32;

const isImage = (holder: object, field: string): boolean =>
  field === "data" && Reflect.get(holder, "type") === "image";

/** The references of one session. */
export class ContentRefs {
  #made = new WeakMap<object, Map<string, Made>>();
  readonly #places = new Map<string, Place>();
  readonly #tools: ContentBytes;
  readonly #clock: Pick<Clock, "after">;
  #lastBytes: { readonly hash: string; readonly bytes: WeakRef<Uint8Array> } | undefined;

  constructor(tools: ContentBytes, clock: Pick<Clock, "after">) {
    this.#tools = tools;
    this.#clock = clock;
  }

  /**
   * The item with a `contentRef` in the place of each text that is longer. The item itself when there is none.
   *
   * @param block UTF-16 units that a text may have
   */
  shortened(item: unknown, block = BLOCK_CHARS): unknown {
    if (leastUnits(item, block) <= block) return item;
    return this.#copy(item, block, new Set());
  }

  /** What remains of an item that goes by reference as a whole: its short fields, and the reference to its JSON. */
  whole(item: unknown): unknown {
    const ref = this.#textRef(toJson(item), "json");
    if (!isRecord(item)) return { contentRef: ref };
    this.#remember(ref.hash, { holder: new WeakRef(item), field: undefined });
    const head = Object.entries(item).filter(([name, value]) =>
      name.length <= HEAD_CHARS && (typeof value !== "object" || value === null) &&
      (typeof value !== "string" || value.length <= HEAD_CHARS)
    );
    return { ...Object.fromEntries(head.slice(0, HEAD_FIELDS)), contentRef: ref };
  }

  /** Hashes what `shortened` will replace, and lets other work run in between. */
  async prepare(items: readonly unknown[], block = BLOCK_CHARS): Promise<void> {
    let chars = 0;
    for (const item of items) {
      const units = leastUnits(item, TURN_CHARS);
      if (units <= block) continue;
      this.shortened(item, block);
      chars += units;
      if (chars < TURN_CHARS) continue;
      chars = 0;
      await this.#turn();
    }
  }

  /**
   * The content of a reference. Undefined when the history does not hold it any more.
   *
   * @param history the items to search
   */
  async find(hash: string, history: () => readonly unknown[]): Promise<Content | undefined> {
    const known = this.#known(hash);
    if (known !== undefined) return known;
    // After a resume nothing is remembered. Long texts come first, because most references are to these.
    for (const block of [BLOCK_CHARS, LEAST_BLOCK_CHARS]) {
      let chars = 0;
      for (const item of history()) {
        const units = leastUnits(item, TURN_CHARS);
        if (units <= block) continue;
        this.shortened(item, block);
        const found = this.#known(hash);
        if (found !== undefined) return found;
        chars += units;
        if (chars < TURN_CHARS) continue;
        chars = 0;
        await this.#turn();
      }
    }
    for (const item of history()) {
      if (leastUnits(item, BLOCK_CHARS) <= BLOCK_CHARS) continue;
      this.whole(item);
      // An event refers to the message of an entry.
      if (isRecord(item) && isRecord(item["message"])) this.whole(item["message"]);
      const found = this.#known(hash);
      if (found !== undefined) return found;
      await this.#turn();
    }
    return undefined;
  }

  /** @param above the objects around the value, so that a circle ends */
  #copy(value: unknown, block: number, above: Set<object>): unknown {
    if (typeof value !== "object" || value === null || above.size > DEPTH || above.has(value)) return value;
    let changed = false;
    above.add(value);
    const next = (field: string, one: unknown): unknown => {
      const made = typeof one === "string"
        ? one.length > block ? { contentRef: this.#ref(value, field, one) } : one
        : this.#copy(one, block, above);
      if (made !== one) changed = true;
      return made;
    };
    const copy = Array.isArray(value)
      ? value.map((one: unknown, index) => next(String(index), one))
      : Object.fromEntries(Object.keys(value).map((name) => [name, next(name, Reflect.get(value, name))]));
    above.delete(value);
    return changed ? copy : value;
  }

  #ref(holder: object, field: string, text: string): ContentRef {
    const fields = this.#made.get(holder) ?? new Map<string, Made>();
    this.#made.set(holder, fields);
    const made = fields.get(field);
    // The same text in memory is equal at once.
    if (made?.text === text) {
      this.#remember(made.ref.hash, { holder: new WeakRef(holder), field });
      return made.ref;
    }
    const ref = this.#makeRef(holder, field, text);
    fields.set(field, { text, ref });
    this.#remember(ref.hash, { holder: new WeakRef(holder), field });
    return ref;
  }

  /** A piece of a content, as `get_content` returns it. Fails when it would begin behind the end of the content. */
  piece(
    content: Content,
    { offset = 0, length = CONTENT_BYTES }: { readonly offset?: number; readonly length?: number },
  ): Outcome<ContentPiece> {
    const { ref } = content;
    if (offset > ref.size) {
      const sentence = `/offset: the content has ${ref.size} bytes; begin before its end`;
      return { ok: false, failure: failure("invalid_params", sentence, { data: { size: ref.size } }) };
    }
    const bytes = content.slice(offset, length);
    const end = offset + bytes.length;
    const rest = end < ref.size ? { nextOffset: end } : {};
    return { ok: true, value: { ...ref, offset, data: this.#tools.toBase64(bytes), ...rest } };
  }

  #makeRef(holder: object, field: string, text: string): ContentRef {
    if (!isImage(holder, field)) return this.#textRef(text, "text");
    const bytes = this.#tools.fromBase64(text);
    // Other than canonical base64 stays a text, because a client must get back what was there.
    if (this.#tools.toBase64(bytes) !== text) return this.#textRef(text, "text");
    const mediaType: unknown = Reflect.get(holder, "mimeType");
    return {
      hash: this.#tools.hash(bytes),
      kind: "image",
      size: bytes.length,
      ...(typeof mediaType === "string" ? { mediaType } : {}),
    };
  }

  #textRef(text: string, kind: "text" | "json"): ContentRef {
    return { hash: this.#tools.hash(text), kind, size: this.#tools.size(text) };
  }

  /** Lets other work run. */
  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(0, resolve));
  }

  #remember(hash: string, place: Place): void {
    const known = this.#places.get(hash);
    if (known?.holder.deref() !== undefined) return;
    this.#places.delete(hash);
    this.#places.set(hash, place);
    if (this.#places.size <= REMEMBERED) return;
    const [oldest] = this.#places.keys();
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  #known(hash: string): Content | undefined {
    const place = this.#places.get(hash);
    const holder = place?.holder.deref();
    if (place === undefined || holder === undefined) return undefined;
    if (place.field === undefined) {
      const json = toJson(holder);
      const ref = this.#textRef(json, "json");
      return ref.hash === hash ? this.#ofText(ref, json) : undefined;
    }
    const text: unknown = Reflect.get(holder, place.field);
    if (typeof text !== "string") return undefined;
    const ref = this.#ref(holder, place.field, text);
    if (ref.hash !== hash) return undefined;
    return ref.kind === "image" ? this.#ofImage(ref, text) : this.#ofText(ref, text);
  }

  #ofText(ref: ContentRef, text: string): Content {
    const kept = this.#lastBytes?.hash === ref.hash ? this.#lastBytes.bytes.deref() : undefined;
    const bytes = kept ?? this.#tools.encode(text);
    // The garbage collector may take it, and then the next piece costs the encoding again.
    this.#lastBytes = { hash: ref.hash, bytes: new WeakRef(bytes) };
    return { ref, slice: (offset, length) => bytes.subarray(offset, offset + length) };
  }

  /** Decodes only the groups of four characters that a piece needs. */
  #ofImage(ref: ContentRef, text: string): Content {
    return {
      ref,
      slice: (offset, length) => {
        const first = Math.floor(offset / 3);
        const last = Math.ceil(Math.min(ref.size, offset + length) / 3);
        const bytes = this.#tools.fromBase64(text.slice(first * 4, last * 4));
        return bytes.subarray(offset - first * 3, offset - first * 3 + length);
      },
    };
  }
}

// Does: one WebSocket peer on Deno, which reads and writes the frames.
// Used by: deno.ts. Uses: unfinished_watch.ts, since Deno reports no message before its end.
import { Buffer } from "node:buffer";
import { errorMessage } from "../../base/error_message.ts";
import type { SocketHandle } from "../runtime.ts";
import { closeFrame, textFrame } from "../websocket/server_frames.ts";
import { type Unwanted, WHY_UNWANTED } from "../websocket/unfinished_messages.ts";
import type { NextTick } from "./next_tick.ts";
import type { Watched, WatchedHolder } from "./unfinished_watch.ts";

/** Milliseconds between two checks of a socket whose peer reads slowly. Deno reports no progress. */
const DRAIN_POLL_MS = 5;

/**
 * Milliseconds that a closing socket waits for its peer to read the rest, and then to be silent. Deno drops a close
 * frame that is not out yet, and ends the connection without a code, as soon as a message arrives.
 */
const [TAKING_MS, SILENCE_MS] = [10_000, 250];

/** Messages and bytes that a closing socket drops before it closes at once, because its peer does not stop. */
const [MOST_DROPPED, MOST_DROPPED_BYTES] = [1_000, 16 * 1024 * 1024];

/** Waiting bytes from which a socket is checked in every turn. */
const MUCH_BYTES = 8 * 1024;

/** Code and reason for a message that is too large. */
const TOO_LARGE: [code: number, reason: string] = [1009, "The message is too large"];

/** The bytes of a message's payload. */
function lengthOf(data: unknown): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  return data instanceof Blob ? data.size : data instanceof ArrayBuffer ? data.byteLength : 0;
}

/** One peer. */
export class DenoSocket implements SocketHandle, WatchedHolder {
  onText: (text: string) => void = () => {};
  onBinary: () => void = () => {};
  onTooLarge: () => void = () => {};
  onClose: () => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: WebSocket;
  readonly #turns: NextTick;
  #poll: ReturnType<typeof setTimeout> | undefined;
  #looking: "no" | "soon" | "later" = "no";
  /** Waiting bytes if none has left since the last check. */
  #due = 0;
  #goesOn = true;
  #leaving = false;
  #parting: ReturnType<typeof setTimeout> | undefined;
  /** Whether a message has arrived since the last check of a closing socket. */
  #spoken = false;
  #dropped = 0;
  #droppedBytes = 0;
  /** Code and reason of a closing socket. */
  #farewell: [code: number, reason: string] = [1000, ""];
  #watched: Watched | undefined;
  /** Texts that a peer still gets before it is cut off. */
  #lastWords: string[] | undefined;

  constructor(
    socket: WebSocket,
    turns: NextTick,
    watchIt: (holder: WatchedHolder) => Watched | undefined,
    opened: (socket: SocketHandle) => void,
    abandoned: () => void,
  ) {
    this.#socket = socket;
    this.#turns = turns;
    let open = false;
    socket.onopen = () => {
      open = true;
      this.#watched = watchIt(this);
      opened(this);
    };
    socket.onmessage = (event) => {
      const bytes = lengthOf(event.data);
      this.#watched?.held.message(bytes);
      if (this.#leaving) return this.#drop(bytes);
      if (typeof event.data === "string") this.onText(event.data);
      else this.onBinary();
    };
    // A close always follows an error.
    socket.onerror = () => {};
    socket.onclose = () => {
      clearTimeout(this.#poll);
      clearTimeout(this.#parting);
      this.#watched?.release();
      if (open) this.onClose();
      else abandoned();
    };
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#lastWords !== undefined) return void this.#lastWords.push(text);
    if (this.#leaving || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(text);
    this.#due += text.length;
    this.#watch();
  }

  /** Deno cannot stop reading. */
  pause(): boolean {
    return false;
  }

  resume(): void {}

  close(code: number, reason: string): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#farewell = [code, reason];
    const since = performance.now();
    let silentSince = since - SILENCE_MS;
    const leave = (): void => {
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      const now = performance.now();
      // Who has just taken what waited may answer to it.
      if (this.#socket.bufferedAmount > 0 || this.#spoken) silentSince = now;
      this.#spoken = false;
      if (now - silentSince >= SILENCE_MS || now - since >= TAKING_MS) this.#socket.close(code, reason);
      else this.#parting = setTimeout(leave, DRAIN_POLL_MS);
    };
    this.#spoken = false;
    this.#parting = setTimeout(leave, 0);
  }

  /** A message has come to a closing socket. */
  #drop(bytes: number): void {
    this.#spoken = true;
    this.#dropped++;
    this.#droppedBytes += bytes;
    const tooMany = this.#dropped >= MOST_DROPPED || this.#droppedBytes > MOST_DROPPED_BYTES;
    if (tooMany && this.#socket.readyState === WebSocket.OPEN) this.#socket.close(...this.#farewell);
  }

  giveUp(why: Unwanted): void {
    this.#cutOff(...WHY_UNWANTED[why]);
  }

  tooLarge(): void {
    this.#lastWords = [];
    this.onTooLarge();
    this.#cutOff(...TOO_LARGE);
  }

  /** Ends the connection at once, because the memory of its message is needed now. `close()` would read on. */
  #cutOff(code: number, reason: string): void {
    const words = [...(this.#lastWords ?? []).map(textFrame), closeFrame(code, reason)];
    this.#leaving = true;
    // A frame between the parts of another one would be noise.
    const whole = this.#socket.bufferedAmount === 0;
    this.#watched?.cut(whole ? Uint8Array.from(words.flatMap((frame) => [...frame])) : new Uint8Array(0));
  }

  /** Checks again when the peer may have read: in the next turn, while much waits and it shrinks. */
  #watch(): void {
    if (this.#looking === "no") this.#due = this.#socket.bufferedAmount;
    if (this.#looking === "soon" || this.#due === 0) return;
    const soon = this.#goesOn && this.#due >= MUCH_BYTES;
    if (this.#looking === "later" && !soon) return;
    clearTimeout(this.#poll);
    this.#looking = soon ? "soon" : "later";
    if (soon) this.#turns.nextTick(() => this.#look());
    else this.#poll = setTimeout(() => this.#look(), DRAIN_POLL_MS);
  }

  #look(): void {
    this.#looking = "no";
    this.#goesOn = this.#socket.bufferedAmount < this.#due;
    if (this.#goesOn) this.onDrain();
    this.#watch();
  }
}

/** Whether Deno found a text too long for a string. Its reading of that WebSocket has ended with this error. */
function isTooLong(reason: unknown): boolean {
  return errorMessage(reason).includes("buffer exceeds maximum length");
}

let surviving = false;

/**
 * Keeps such a text from ending the process where `Watcher` does not cut its peer off before. The connection ends when
 * the peer has been silent for too long.
 */
export function surviveLongTexts(): void {
  if (surviving) return;
  surviving = true;
  globalThis.addEventListener("unhandledrejection", (event) => {
    if (isTooLong(event.reason)) event.preventDefault();
  });
}

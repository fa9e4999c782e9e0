// A WebSocket client that takes no message above 1 MiB, through the package `ws`: what many clients have as a default.

import { WebSocket } from "ws";
import { at, isObject, type JsonObject, stringAt } from "../base/json.ts";
import { deadline } from "../base/wait.ts";

/** Bytes of a message that the client takes. */
export const SMALL_FRAME = 1024 * 1024;

/** The client. A larger message ends its connection, and every wait. */
export class SmallFrames {
  readonly #socket: WebSocket;
  readonly #answers = new Map<string, (answer: JsonObject) => void>();
  /** Events in the order of their arrival. */
  readonly events: JsonObject[] = [];
  /** Bytes of the largest message. */
  largest = 0;
  #failed: Error | undefined;
  #ids = 0;

  private constructor(url: string, token: string) {
    this.#socket = new WebSocket(url, {
      maxPayload: SMALL_FRAME,
      headers: { Authorization: `Bearer ${token}` },
    });
    this.#socket.on("error", (error: Error) => this.#failed = error);
    this.#socket.on("close", () => {
      for (const answer of this.#answers.values()) answer({ success: false, error: String(this.#failed) });
    });
    this.#socket.on("message", (data: unknown) => this.#take(String(data)));
  }

  static async connect(url: string, token: string): Promise<SmallFrames> {
    const client = new SmallFrames(url, token);
    await new Promise((resolve, reject) => {
      client.#socket.once("open", resolve);
      client.#socket.once("error", reject);
    });
    return client;
  }

  /** The data of a successful command. */
  async ok(command: JsonObject): Promise<JsonObject> {
    const id = `small-${++this.#ids}`;
    const answered = new Promise<JsonObject>((resolve) => this.#answers.set(id, resolve));
    this.#socket.send(JSON.stringify({ ...command, id }));
    const answer = await deadline(answered, 60_000, () => `an answer to ${String(command.type)}`);
    if (answer.success !== true || !isObject(answer.data)) {
      throw new Error(`${String(command.type)} failed: ${JSON.stringify(answer).slice(0, 500)}`);
    }
    return answer.data;
  }

  /** The first event of that type, now or later. */
  async event(type: string): Promise<JsonObject> {
    const found = (): JsonObject | undefined => this.events.find((one) => at(one, "event", "type") === type);
    while (found() === undefined) {
      if (this.#failed !== undefined) throw this.#failed;
      await deadline(
        new Promise<void>((resolve) => this.#socket.once("message", () => resolve())),
        60_000,
        () => `the event ${type}`,
      );
    }
    return found() ?? {};
  }

  /** A whole content, piece by piece. */
  async content(sessionId: string, ref: string): Promise<Uint8Array> {
    const pieces: string[] = [];
    for (let offset: unknown = 0; typeof offset === "number";) {
      const piece = await this.ok({ type: "get_content", sessionId, ref, offset });
      pieces.push(atob(stringAt(piece, "data")));
      offset = piece.nextOffset;
    }
    return Uint8Array.from(pieces.join(""), (char) => char.charCodeAt(0));
  }

  close(): void {
    this.#socket.close();
  }

  #take(text: string): void {
    this.largest = Math.max(this.largest, new TextEncoder().encode(text).length);
    const message: unknown = JSON.parse(text);
    if (!isObject(message)) return;
    if (message.type === "event") this.events.push(message);
    const id = at(message, "id");
    if (typeof id !== "string") return;
    this.#answers.get(id)?.(message);
    this.#answers.delete(id);
  }
}

// The socket that hands texts over as bytes, against a server that is written here, frame by frame.

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { deferred } from "../../../src/base/async/deferred.ts";
import { BytesSocket } from "../../../src/client/transports/bytes_socket.ts";

const [TEXT, CLOSE, PING, PONG] = [1, 8, 9, 10];
const utf8 = new TextEncoder();
const decoder = new TextDecoder();

/** A frame of a server; `first` has the opcode, and 0x80 for the last of its message. */
function frame(first: number, payload: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
  const { length } = bytes;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const whole = new Uint8Array(head + length);
  const view = new DataView(whole.buffer);
  view.setUint8(0, first);
  view.setUint8(1, head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) view.setUint16(2, length);
  if (head === 10) view.setBigUint64(2, BigInt(length));
  whole.set(bytes, head);
  return whole;
}

const whole = (opcode: number, payload: string | Uint8Array) => frame(0x80 | opcode, payload);

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The socket's connection as its server sees it. */
class Peer {
  readonly conn: Deno.TcpConn;
  #rest = new Uint8Array(0);
  head = "";

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(1024 * 1024);
    const read = await this.conn.read(buffer).catch(() => null);
    if (read === null) return false;
    this.#rest = joined([this.#rest, buffer.subarray(0, read)]);
    return true;
  }

  /** Reads the request, and writes the answer to it with what follows in the same write. */
  async greet(then: Uint8Array = new Uint8Array(0), accept?: string): Promise<void> {
    while (!decoder.decode(this.#rest).includes("\r\n\r\n")) await this.#more();
    this.head = decoder.decode(this.#rest);
    this.#rest = new Uint8Array(0);
    const key = /Sec-WebSocket-Key: (\S+)/.exec(this.head)?.[1];
    const right = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const lines = ["HTTP/1.1 101 Switching Protocols", `sec-websocket-accept: ${accept ?? right}`, "", ""];
    await this.write(joined([utf8.encode(lines.join("\r\n")), then]));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** The next frame of the client without its mask; undefined at the end. */
  async frame(): Promise<{ opcode: number; payload: Uint8Array } | undefined> {
    while (true) {
      const [first = 0, second = 0] = this.#rest;
      const head = (second & 0x7f) < 126 ? 2 : (second & 0x7f) === 126 ? 4 : 10;
      const view = new DataView(this.#rest.buffer);
      const headIsThere = this.#rest.length >= head + 4;
      const length = !headIsThere
        ? Infinity
        : head === 2
        ? second & 0x7f
        : head === 4
        ? view.getUint16(2)
        : Number(view.getBigUint64(2));
      if (this.#rest.length >= head + 4 + length) {
        assertEquals(second & 0x80, 0x80, "a client masks its frames");
        const mask = this.#rest.slice(head, head + 4);
        const payload = this.#rest.slice(head + 4, head + 4 + length).map((byte, i) =>
          byte ^ (mask[i % 4] ?? 0)
        );
        this.#rest = this.#rest.slice(head + 4 + length);
        return { opcode: first & 0xf, payload };
      }
      if (!await this.#more()) return undefined;
    }
  }
}

interface Seen {
  readonly socket: BytesSocket;
  readonly texts: string[];
  readonly errors: string[];
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Resolves when so many texts are there. */
  count(texts: number): Promise<void>;
}

function observe(socket: BytesSocket): Seen {
  const [opened, closed] = [deferred<void>(), deferred<{ code: number; reason: string }>()];
  const [texts, errors]: [string[], string[]] = [[], []];
  let look = (): void => {};
  socket.onopen = () => opened.resolve();
  socket.onclose = (event) => closed.resolve(event);
  socket.onerror = ({ message }) => errors.push(message);
  socket.onmessage = ({ data }) => {
    texts.push(decoder.decode(data));
    look();
  };
  const count = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      look = () => texts.length >= wanted && resolve();
      look();
    });
  return { socket, texts, errors, opened: opened.promise, closed: closed.promise, count };
}

function bytesTest(name: string, test: (peer: Peer, seen: Seen) => Promise<void>): void {
  Deno.test(`bytes socket: ${name}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    const seen = observe(
      new BytesSocket(`ws://127.0.0.1:${listener.addr.port}/a?b=c`, ["pi-server.v1", "second"]),
    );
    const conn = await accepted;
    try {
      await test(new Peer(conn), seen);
    } finally {
      conn.close();
      await seen.closed;
    }
  });
}

bytesTest(
  "the request names path, host and subprotocols, and messages behind the answer count",
  async (peer, seen) => {
    await peer.greet(joined([whole(TEXT, "hello"), whole(TEXT, "größe")]));
    await seen.count(2);
    assertEquals(seen.texts, ["hello", "größe"]);
    assertEquals(peer.head.split("\r\n")[0], "GET /a?b=c HTTP/1.1");
    assertEquals(peer.head.includes("Sec-WebSocket-Protocol: pi-server.v1, second\r\n"), true);
  },
);

bytesTest("frames that are cut anywhere come whole and in order", async (peer, seen) => {
  await peer.greet();
  const texts = ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(65_535), "e".repeat(65_536), "end"];
  const bytes = joined(texts.map((text) => whole(TEXT, text)));
  // A few bytes at a time around every head, and the rest in pieces.
  for (let at = 0; at < bytes.length;) {
    const size = at < 500 ? 1 : 30_011;
    await peer.write(bytes.subarray(at, at + size));
    at += size;
  }
  await seen.count(texts.length);
  assertEquals(seen.texts, texts);
});

bytesTest("a message that is larger than the buffer comes whole, and later ones too", async (peer, seen) => {
  await peer.greet();
  const large = "x".repeat(3_000_000);
  for (const text of ["before", large, "after", large, "end"]) await peer.write(whole(TEXT, text));
  await seen.count(5);
  assertEquals(seen.texts.map((text) => text.length), [6, 3_000_000, 5, 3_000_000, 3]);
  assertEquals(seen.texts[1] === large && seen.texts[3] === large, true);
});

bytesTest(
  "the parts of a message are put together, and a ping between them is answered",
  async (peer, seen) => {
    await peer.greet();
    await seen.opened;
    await peer.write(joined([frame(TEXT, "one "), whole(PING, "are you there")]));
    assertEquals(await peer.frame(), { opcode: PONG, payload: utf8.encode("are you there") });
    // The next read goes to the memory of the first one.
    await peer.write(joined([frame(0, "two "), whole(0, "three")]));
    await seen.count(1);
    assertEquals(seen.texts, ["one two three"]);
  },
);

bytesTest("texts of each length go out as masked frames", async (peer, seen) => {
  await peer.greet();
  await seen.opened;
  const texts = ["short", "m".repeat(300), "ü".repeat(40_000)];
  for (const text of texts) seen.socket.send(text);
  for (const text of texts) assertEquals(await peer.frame(), { opcode: TEXT, payload: utf8.encode(text) });
});

bytesTest(
  "the server's close frame is answered, and the socket reports its code and reason",
  async (peer, seen) => {
    await peer.greet();
    await peer.write(whole(CLOSE, Uint8Array.from([1013 >> 8, 1013 & 0xff, ...utf8.encode("too slow")])));
    assertEquals((await peer.frame())?.opcode, CLOSE);
    assertEquals(await peer.frame(), undefined);
    peer.conn.closeWrite();
    assertEquals(await seen.closed, { code: 1013, reason: "too slow" });
  },
);

bytesTest("close sends a close frame and waits for the server's", async (peer, seen) => {
  await peer.greet();
  await seen.opened;
  seen.socket.close(1000, "done");
  assertEquals(await peer.frame(), {
    opcode: CLOSE,
    payload: Uint8Array.from([1000 >> 8, 1000 & 0xff, ...utf8.encode("done")]),
  });
  await peer.write(joined([whole(TEXT, "last"), whole(CLOSE, Uint8Array.from([1000 >> 8, 1000 & 0xff]))]));
  assertEquals(await peer.frame(), undefined);
  peer.conn.closeWrite();
  assertEquals(await seen.closed, { code: 1000, reason: "" });
  assertEquals(seen.texts, ["last"]);
});

bytesTest("a refusal is an error with its status", async (peer, seen) => {
  await peer.write(utf8.encode("HTTP/1.1 401 Unauthorized\r\n\r\n"));
  assertEquals((await seen.closed).code, 1006);
  assertEquals(seen.errors, ["the server answered HTTP/1.1 401 Unauthorized"]);
});

bytesTest("a server that does not know the key of the handshake is refused", async (peer, seen) => {
  await peer.greet(undefined, "another");
  assertEquals((await seen.closed).code, 1006);
  assertEquals(seen.errors.length, 1);
});

bytesTest("a frame of impossible length ends the connection", async (peer, seen) => {
  await peer.greet(Uint8Array.from([0x80 | TEXT, 127, 0, 0, 1, 0, 0, 0, 0, 0]));
  assertEquals((await seen.closed).code, 1006);
  assertEquals(seen.errors, ["the server sent a frame that is masked or too long"]);
});

bytesTest("a connection that breaks is reported once", async (peer, seen) => {
  await peer.greet(whole(TEXT, "hello").subarray(0, 3));
  await seen.opened;
  peer.conn.closeWrite();
  assertEquals((await seen.closed).code, 1006);
  assertEquals(seen.texts, []);
});

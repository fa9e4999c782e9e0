// What a peer on the network can do to the server, black box: commands without end, messages and requests that are
// never complete, handshakes and frames against the rules. Memory stays bounded, the peer hears why, others are served.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { frame, writeAll } from "../../support/network/client_frame.ts";
import { stringAt } from "../../support/base/json.ts";
import { rawLines, upgrade, upgradeHeaders, upgradeRequest } from "../../support/network/raw_http.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { alone, type Bench, shared, TARGET } from "../suite.ts";

/** Whether frames and heads are read by Deno, which cannot stop reading and has bounds of its own. */
const DENO = TARGET !== "node";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A connection that became a WebSocket, with framing by hand. */
class RawPeer implements Disposable {
  readonly #conn: Deno.TcpConn;
  #bytes: Uint8Array;

  private constructor(conn: Deno.TcpConn, rest: Uint8Array) {
    this.#conn = conn;
    this.#bytes = rest;
  }

  static async connect(bench: Bench, token?: string): Promise<RawPeer> {
    const { port } = await bench.server.endpoint();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(conn, upgradeRequest(port, token ?? await bench.server.token()));
    const peer = new RawPeer(conn, new Uint8Array(0));
    for (;;) {
      await peer.#more();
      const text = new TextDecoder("latin1").decode(peer.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      assert(text.startsWith("HTTP/1.1 101"), text);
      peer.#bytes = peer.#bytes.slice(end + 4);
      return peer;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#conn, bytes);
  }

  /** Every frame until the close frame, which ends it with its code; 0 when there is none. */
  async read(onText: (text: string) => void = () => {}): Promise<number> {
    for (;;) {
      const found = this.#frame();
      if (found === undefined) {
        if (!await this.#more()) return 0;
        continue;
      }
      const [opcode, payload] = found;
      if (opcode === 1) onText(new TextDecoder().decode(payload));
      if (opcode === 8) return ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
    }
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  #frame(): [opcode: number, payload: Uint8Array] | undefined {
    const bytes = this.#bytes;
    const short = bytes[1] ?? 0;
    const head = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < head) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = head === 2 ? short : head === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if (bytes.length < head + length) return undefined;
    this.#bytes = bytes.subarray(head + length);
    return [(bytes[0] ?? 0) & 15, bytes.subarray(head, head + length)];
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(256 * 1024);
    const count = await this.#conn.read(chunk).catch(() => null);
    if (count === null) return false;
    this.#bytes = joined([this.#bytes, chunk.subarray(0, count)]);
    return true;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The most that the system keeps of one direction of a connection: what its sender and its receiver may buffer. */
async function loopbackBytes(): Promise<number> {
  const largest = async (name: string, otherwise: number): Promise<number> => {
    const text = await Deno.readTextFile(`/proc/sys/net/ipv4/${name}`).catch(() => "");
    return Number(text.trim().split(/\s+/)[2] ?? otherwise);
  };
  return await largest("tcp_wmem", 4 * 2 ** 20) + await largest("tcp_rmem", 6 * 2 ** 20);
}

/** A text frame that is not the last one of its message. */
function unfinished(text: string, opcode = 1): Uint8Array {
  const bytes = frame(opcode, encode(text));
  bytes[0] = opcode;
  return bytes;
}

alone(
  "peers: one that sends without end and reads nothing waits itself, or is closed where Deno reads on",
  async (bench) => {
    await bench.start(["--outbox-close-bytes", "8MiB", "--max-in-flight-per-connection", "1000000"]);
    using peer = await RawPeer.connect(bench);
    const other = await bench.connect();
    /**
     * More than all buffers hold together: those of both directions of loopback, 8 MiB in the outbox, 65,536 commands in
     * the backlog. A command has 150 bytes, its answer 220.
     */
    const AT_ONCE = 500;
    const oneWay = await loopbackBytes();
    const held = oneWay / 150 + (oneWay + 8 * 2 ** 20) / 220 + 65_536;
    const COUNT = AT_ONCE * Math.ceil(1.5 * held / AT_ONCE);
    const idOf = (n: number): string => String(n).padStart(120, "0");
    const answered = Promise.withResolvers<void>();
    let written = 0;
    const writing = (async () => {
      for (let n = 0; n < COUNT; n += AT_ONCE) {
        const frames = Array.from(
          { length: AT_ONCE },
          (_, at) => frame(1, encode(`{"type":"ping","id":"${idOf(n + at)}"}`)),
        );
        await peer.write(joined(frames));
        written = n + AT_ONCE;
      }
    })().catch(() => {});
    // Until it comes no further: both sides' buffers and the answers that may wait are full.
    for (let before = -1, same = 0; same < 3; same = before === written ? same + 1 : 0) {
      before = written;
      await other.ok({ type: "ping" });
      await delay(1000);
    }
    assert(written < COUNT, "the server read everything");
    let next = 0;
    const code = peer.read((text) => {
      if (!text.startsWith('{"id":')) return;
      assertEquals(JSON.parse(text).id, idOf(next++));
      if (next === COUNT) answered.resolve();
    });
    await deadline(Promise.race([answered.promise, code]), 60_000, () => `${next} of ${COUNT} answers`);
    if (DENO) {
      // It reads nothing and goes on sending, so the code may be lost with what it does not read.
      const ended = await deadline(code, 20_000, () => "the end of the connection");
      assert(ended === 1013 || ended === 0, `closed with ${ended}`);
    } else {
      await writing;
      assertEquals(next, COUNT);
    }
    await other.ok({ type: "ping" });
  },
);

/** Whether unfinished messages can be bounded: Deno does not report them, but Linux tells what has arrived. */
const BOUNDED = !DENO || Deno.build.os === "linux";

const bounded = BOUNDED ? alone : () => {};

bounded(
  "peers: unfinished messages have room together, and the one that stalls the longest goes",
  async (bench) => {
    const MOST = 1024 * 1024;
    await bench.start(["--max-frame-bytes", String(MOST)]);
    const peers: RawPeer[] = [];
    try {
      // Room for 20 MiB.
      for (let n = 0; n < 48; n++) {
        const peer = await RawPeer.connect(bench);
        peers.push(peer);
        for (let piece = 0; piece < 15; piece++) {
          await peer.write(unfinished("x".repeat(65_000), piece === 0 ? 1 : 0));
        }
      }
      const last = peers.at(-1);
      assert(last !== undefined);
      const answer = Promise.withResolvers<string>();
      void last.read((text) => text.includes('"response"') && answer.resolve(text));
      await last.write(frame(0, encode("]")));
      assertStringIncludes(
        await deadline(answer.promise, 30_000, () => "an answer to the last"),
        "invalid_json",
      );
      const [first] = peers;
      const code = await deadline(
        first?.read() ?? Promise.resolve(-1),
        10_000,
        () => "the end of the first",
      );
      assertEquals(code, 1013);
    } finally {
      for (const peer of peers) peer[Symbol.dispose]();
    }
  },
);

bounded("peers: a message in pieces goes when it is larger than a message may be", async (bench) => {
  await bench.start(["--max-frame-bytes", String(1024 * 1024)]);
  const admin = await bench.connect();
  const token = stringAt(await admin.ok({ type: "mint_token", role: "observe", ttlMs: 60_000 }), "token");
  using peer = await RawPeer.connect(bench, token);
  const texts: string[] = [];
  const code = peer.read((text) => texts.push(text));
  const piece = "[".repeat(65_000);
  let over = false;
  void (async () => {
    await peer.write(unfinished(piece));
    // Until it ends, and never more than the machine has.
    for (let n = 0; n < 16_000 && !over; n++) await peer.write(unfinished(piece, 0));
  })().catch(() => {});
  assertEquals(await deadline(code, 20_000, () => "a close").finally(() => over = true), 1009);
  assertStringIncludes(texts.at(-1) ?? "", "frame_too_large");
  await admin.ok({ type: "ping" });
});

alone("peers: a minted token has so many connections, the server's own all there are", async (bench) => {
  await bench.start(["--max-connections-per-token", "2"]);
  const admin = await bench.connect();
  const mint = async () =>
    stringAt(await admin.ok({ type: "mint_token", role: "observe", ttlMs: 60_000 }), "token");
  const [one, two] = [await mint(), await mint()];
  const first = await RawPeer.connect(bench, one);
  using _second = await RawPeer.connect(bench, one);
  const { port } = await bench.server.endpoint();
  const refused = async () => await upgrade(port, { Authorization: `Bearer ${one}` });
  const answer = await refused();
  assertEquals(answer.status, 503);
  assertStringIncludes(answer.body, "--max-connections-per-token");
  using _other = await RawPeer.connect(bench, two);
  await bench.connect("admin too");
  first[Symbol.dispose]();
  await until(async () => (await refused()).status === 101 || undefined, 10_000, () => "its place is free");
});

const test = shared();

test("peers: a message whose values are too many, or too deep, is refused unread", async (bench) => {
  using peer = await RawPeer.connect(bench);
  const fields = Array.from({ length: 600_000 }, (_, n) => `"k${n}":1`).join(",");
  const deep = `${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}`;
  const answers: string[] = [];
  const both = Promise.withResolvers<void>();
  void peer.read((text) => {
    if (text.includes('"response"') && answers.push(text) === 3) both.resolve();
  });
  for (const rest of [fields, `"sessions":${deep}`]) {
    await peer.write(frame(1, encode(`{"type":"ping",${rest}}`)));
  }
  await peer.write(frame(1, encode('{"type":"ping","id":"next"}')));
  await deadline(both.promise, 20_000, () => `three answers, not ${answers.length}`);
  for (const answer of answers.slice(0, 2)) assertStringIncludes(answer, "50000 values");
  assertStringIncludes(answers[2] ?? "", '"success":true');
});

const onNode = DENO ? () => {} : test;

onNode(
  "peers: a refused upgrade that goes on sending is cut off, and not read for its second",
  async (bench) => {
    const { port } = await bench.server.endpoint();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const piece = new Uint8Array(256 * 1024);
    // What the system keeps for both ends is some MiB; a second of reading would be hundreds.
    const MOST = 64 * 1024 * 1024;
    let sent = 0;
    try {
      await writeAll(conn, upgradeRequest(port, "wrong"));
      for (; sent < MOST; sent += piece.length) await writeAll(conn, piece);
    } catch {
      // The server has hung up.
    } finally {
      conn.close();
    }
    assert(sent < MOST, `${sent} bytes were taken`);
  },
);

onNode("peers: one that goes on with large messages after its close is cut off", async (bench) => {
  const admin = await bench.connect("admin");
  const { token, tokenId } = await admin.ok({ type: "mint_token", role: "observe", ttlMs: 60_000 });
  using peer = await RawPeer.connect(bench, String(token));
  await admin.ok({ type: "revoke_token", tokenId: String(tokenId) });
  assertEquals(await deadline(peer.read(), 10_000, () => "a close"), 1008);
  const large = frame(1, encode("x".repeat(1024 * 1024)));
  // Fewer than the messages that end it as well, and far more than both ends of the system keep.
  const MOST = 200;
  let sent = 0;
  try {
    for (; sent < MOST; sent++) await peer.write(large);
  } catch {
    // The server has hung up.
  }
  assert(sent < MOST, `${sent} MiB were taken`);
});

onNode("peers: a message that is too large is refused as soon as its length is known", async (bench) => {
  using peer = await RawPeer.connect(bench);
  const head = frame(1, encode("x".repeat(70_000))).subarray(0, 14);
  new DataView(head.buffer).setBigUint64(2, 64n * 1024n * 1024n * 1024n);
  await peer.write(head);
  const texts: string[] = [];
  assertEquals(await deadline(peer.read((text) => texts.push(text)), 10_000, () => "a close"), 1009);
  assertStringIncludes(texts.at(-1) ?? "", "frame_too_large");
});

/** What a peer sends, and the code that ends it: on Node, and on Deno, where 0 is an end without one. */
const BROKEN: Readonly<Record<string, readonly [bytes: Uint8Array, node: number, deno: number]>> = {
  "a reserved bit": [frame(0x41, encode("{}")), 1002, 0],
  "an unknown opcode": [frame(3, encode("{}")), 1002, 0],
  "a continuation of nothing": [frame(0, encode("{}")), 1002, 0],
  "a ping in pieces": [unfinished("x", 9), 1002, 0],
  "a text that is not UTF-8": [frame(1, Uint8Array.from([0xff])), 1007, 0],
  "a close code that is reserved": [frame(8, Uint8Array.from([3, 238])), 1002, 1002],
  "a length beyond all bounds": [frame(1, encode("x".repeat(70_000))).fill(0x7f, 2, 10), 1009, 0],
};

for (const [what, [bytes, node, deno]] of Object.entries(BROKEN)) {
  test(`peers: ${what} ends the connection`, async (bench) => {
    using peer = await RawPeer.connect(bench);
    await peer.write(bytes);
    assertEquals(await deadline(peer.read(), 10_000, () => "a close"), DENO ? deno : node);
  });
}

test("peers: a frame without a mask ends the connection on Node, and is taken on Deno", async (bench) => {
  using peer = await RawPeer.connect(bench);
  await peer.write(Uint8Array.from([0x81, 2, 0x7b, 0x7d]));
  const answer = Promise.withResolvers<string>();
  const code = peer.read((text) => text.includes('"response"') && answer.resolve(text));
  if (DENO) {
    assertStringIncludes(await deadline(answer.promise, 10_000, () => "an answer"), "invalid_params");
  } else assertEquals(await deadline(code, 10_000, () => "a close"), 1002);
});

const PLACE = async (bench: Bench) => {
  const { port } = await bench.server.endpoint();
  return { port, token: await bench.server.token() };
};

test("peers: a handshake against RFC 6455 is refused in words, and takes no place", async (bench) => {
  const { port, token } = await PLACE(bench);
  const attempt = (more: Record<string, string>) =>
    rawLines(port, [
      "GET / HTTP/1.1",
      ...Object.entries(upgradeHeaders(port, { Authorization: `Bearer ${token}`, ...more })).map((
        [name, value],
      ) => `${name}: ${value}`),
    ]);
  const bad: readonly [Record<string, string>, number, RegExp][] = [
    [{ "Sec-WebSocket-Version": "8" }, 426, /version 13/],
    [{ "Sec-WebSocket-Version": "" }, 426, /version 13/],
    [{ "Sec-WebSocket-Key": "short" }, 400, /Sec-WebSocket-Key/],
    [{ "Sec-WebSocket-Key": "" }, 400, /Sec-WebSocket-Key/],
    [{ Connection: "close" }, 400, /Connection: Upgrade/],
  ];
  for (const [headers, status, words] of bad) {
    const answer = await attempt(headers);
    assertEquals(answer.status, status, JSON.stringify(headers));
    assertMatch(answer.body, words);
    if (status === 426) assertEquals(answer.headers.get("sec-websocket-version"), "13");
  }
  assertEquals((await attempt({ Connection: "keep-alive, Upgrade", Upgrade: "h2c, websocket" })).status, 101);
});

test("peers: requests that are not for this server's HTTP are answered as RFC 9110 and 9112 say", async (bench) => {
  const { port } = await PLACE(bench);
  const status = async (...lines: string[]): Promise<number> => (await rawLines(port, lines)).status;
  const host = `Host: 127.0.0.1:${port}`;
  const page = "GET /healthz HTTP/1.1";
  assertEquals(
    await status(page, host, "Connection: Upgrade", "Upgrade: websocket"),
    200,
    "an upgrade of a page",
  );
  assertEquals(await status(page, host, "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AA"), 200);
  // Node says 100 before it says 200.
  assertEquals(await status(page, host, "Expect: 100-continue"), DENO ? 200 : 100);
  assertEquals(await status(page, host, "Expect: something else"), 417);
  assertEquals(await status("hello"), 400);
  assertEquals(await status(page, host, "Bad Name: x"), 400);
  // Deno takes longer heads.
  assertEquals(await status(page, host, `X-Long: ${"x".repeat(20_000)}`), DENO ? 200 : 431);
  if (DENO) assertEquals(await status(page, host, `X-Long: ${"x".repeat(600_000)}`), 431);
});

test("peers: a request whose head has no end is answered long before it is 400 KB, and the connection ends", async (bench) => {
  const { port } = await PLACE(bench);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(conn, encode(`GET /healthz HTTP/1.1\r\nX-Long: ${"x".repeat(100_000)}`));
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of conn.readable) chunks.push(chunk);
  } catch {
    // The connection was reset, because not everything was read.
  }
  assertMatch(new TextDecoder().decode(joined(chunks)), /^HTTP\/1\.1 431 /);
});

test("peers: an answer names its status, and HEAD has no body", async (bench) => {
  const { port } = await PLACE(bench);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(
    conn,
    encode(`HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n\r\n`),
  );
  const chunks: Uint8Array[] = [];
  for await (const chunk of conn.readable) chunks.push(chunk);
  const text = new TextDecoder().decode(joined(chunks));
  assertMatch(text, /^HTTP\/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)+\r\n$/);
  assertMatch(text, /\r\ncontent-length: 3\r\n/);
});

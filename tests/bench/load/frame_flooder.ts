// A peer of its own process that sends what a server must be able to stand, for benchmarks: as fast as it can, for so
// many seconds. Usage: deno run -A frame_flooder.ts <kind> <url> <token> <seconds>; prints `flooding`, then the bytes
// that it sent, and the close code where one came.
import { frame, writeAll } from "../../support/network/client_frame.ts";
import { upgradeRequest } from "../../support/network/raw_http.ts";

/** Connections of a flood that holds memory, and the most that it sends on each. */
const HOLDERS = 64;
const HEADS = 512;

const [kind = "", url = "", token = "", seconds = "5"] = Deno.args;
const { hostname, port } = new URL(url);
const encoder = new TextEncoder();
let sent = 0;
let closeCode: number | undefined;

const connect = (): Promise<Deno.TcpConn> => Deno.connect({ hostname, port: Number(port) });

/** A WebSocket whose answers are read and dropped, or left where they are. */
async function socket(reading: boolean): Promise<Deno.TcpConn> {
  const conn = await connect();
  await writeAll(conn, upgradeRequest(Number(port), token));
  const buffer = new Uint8Array(64 * 1024);
  await conn.read(buffer);
  if (reading) void drain(conn, buffer);
  return conn;
}

async function drain(conn: Deno.TcpConn, buffer: Uint8Array): Promise<void> {
  for (;;) {
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) return;
    const at = buffer.subarray(0, count).indexOf(0x88);
    if (at >= 0 && at + 3 < count) closeCode ??= ((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0);
  }
}

/** Sends these bytes again and again; ends early when the server has had enough. */
async function repeat(conn: Deno.TcpConn, bytes: Uint8Array, until: number): Promise<void> {
  try {
    while (performance.now() < until) {
      const timer = setTimeout(() => conn.close(), until - performance.now());
      await writeAll(conn, bytes).finally(() => clearTimeout(timer));
      sent += bytes.length;
    }
  } catch {
    // The server hung up, or the time is over.
  }
}

/** As many of these in one piece as make some 60 KB. */
function many(one: Uint8Array): Uint8Array {
  const count = Math.floor(60_000 / one.length);
  const all = new Uint8Array(count * one.length);
  for (let n = 0; n < count; n++) all.set(one, n * one.length);
  return all;
}

const unfinished = (): Uint8Array => {
  const start = frame(0x1, encoder.encode("[".repeat(60_000)));
  start[0] = 0x01;
  return start;
};

const goesOn = (): Uint8Array => {
  const more = unfinished();
  more[0] = 0x00;
  return more;
};

const FLOODS: Readonly<Record<string, (until: number) => Promise<void>>> = {
  pings: async (until) =>
    await repeat(await socket(true), many(frame(0x1, encoder.encode('{"type":"ping"}'))), until),
  unread: async (until) =>
    await repeat(await socket(false), many(frame(0x1, encoder.encode('{"type":"ping"}'))), until),
  invalid: async (until) => await repeat(await socket(true), many(frame(0x1, encoder.encode("?"))), until),
  control: async (until) => await repeat(await socket(false), many(frame(0x9, encoder.encode("x"))), until),
  unfinished: async (until) => {
    const conns = await Promise.all(Array.from({ length: HOLDERS }, () => socket(true)));
    await Promise.all(conns.map(async (conn) => {
      await writeAll(conn, unfinished()).catch(() => {});
      await repeat(conn, goesOn(), until);
    }));
  },
  heads: async (until) => {
    const conns = await Promise.all(Array.from({ length: HEADS }, connect));
    const header = encoder.encode(`X-Long: ${"x".repeat(50_000)}`);
    await Promise.all(conns.map(async (conn) => {
      await writeAll(conn, encoder.encode("GET / HTTP/1.1\r\n")).catch(() => {});
      await repeat(conn, header, until);
    }));
  },
};

const flood = FLOODS[kind];
if (flood === undefined) throw new Error(`no such flood; use ${Object.keys(FLOODS).join(", ")}`);
console.log("flooding");
await flood(performance.now() + Number(seconds) * 1000);
console.log(JSON.stringify({ sent, closeCode: closeCode ?? null }));
Deno.exit(0);

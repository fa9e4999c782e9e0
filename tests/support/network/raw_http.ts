// HTTP requests written by hand, for what a browser-like client won't send: any Host, any Origin, no token. Reads
// the status line and headers of the answer, and the body of an answer that has one.

import { deadline } from "../base/wait.ts";

/** The head of an answer. */
export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** Sends one request to 127.0.0.1 and reads until the headers are there (upgrade) or the peer closes. */
export async function rawRequest(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<RawAnswer> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return await rawLines(port, [`GET ${path} HTTP/1.1`, ...lines]);
}

/** Sends these lines and reads like `rawRequest`: a header may come twice, a target may be anything. */
export async function rawLines(port: number, all: readonly string[]): Promise<RawAnswer> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `${all.join("\r\n")}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  let text = "";
  const read = async () => {
    const chunk = new Uint8Array(16_384);
    const decoder = new TextDecoder();
    while (true) {
      const length = await connection.read(chunk);
      if (length === null) return;
      text += decoder.decode(chunk.subarray(0, length), { stream: true });
      if (isComplete(text)) return;
    }
  };
  await deadline(read(), 10_000, () => `an answer to ${request}; so far: ${text}`);
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  const [statusLine = "", ...rest] = head.split("\r\n");
  const fields = new Map(rest.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  return { status: Number(statusLine.split(" ")[1]), headers: fields, body };
}

/** Whether the answer is all there, so that a peer that keeps the connection alive is not waited for. */
function isComplete(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  if (text.startsWith("HTTP/1.1 101")) return true;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1];
  if (length !== undefined) return new TextEncoder().encode(text.slice(end + 4)).length >= Number(length);
  return /\r\ntransfer-encoding: *chunked/i.test(text.slice(0, end)) && text.endsWith("0\r\n\r\n");
}

/** Headers of a WebSocket upgrade; `more` adds or replaces, an empty value removes. */
export function upgradeHeaders(port: number, more: Record<string, string> = {}): Record<string, string> {
  const all: Record<string, string> = {
    Host: `127.0.0.1:${port}`,
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...more,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** The bytes that ask for an upgrade with that token, for who goes on over the same connection. */
export function upgradeRequest(port: number, token: string): Uint8Array<ArrayBuffer> {
  const headers = Object.entries(upgradeHeaders(port, { Authorization: `Bearer ${token}` }));
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return new TextEncoder().encode(`GET / HTTP/1.1\r\n${lines}\r\n`);
}

/** Tries the upgrade. */
export function upgrade(port: number, more: Record<string, string> = {}): Promise<RawAnswer> {
  // A refusal must end the connection for `rawRequest` to see its end, unless it is an upgrade.
  return rawRequest(port, "/", upgradeHeaders(port, more));
}

/** A plain GET. */
export function get(port: number, path: string, more: Record<string, string> = {}): Promise<RawAnswer> {
  return rawRequest(port, path, { Host: `127.0.0.1:${port}`, Connection: "close", ...more });
}

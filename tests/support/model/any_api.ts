// A server on loopback that stands for any provider's API: it notes each request, and refuses it unless a test
// answers. And a picture, made here.

/** One request that came in. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
  /** How the body is compressed; empty when it is not. */
  readonly encoding: string;
}

/** The server; `await using` closes it. */
export class AnyApi implements AsyncDisposable {
  readonly requests: ApiRequest[] = [];
  /** Answers by path; undefined: refused with a status and a word after which pi does not retry. */
  answer: (request: ApiRequest) => unknown = () => undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#take(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The requests to paths that start so. */
  under(path: string): ApiRequest[] {
    return this.requests.filter((request) => request.path.startsWith(path));
  }

  async #take(http: Request): Promise<Response> {
    const request = {
      method: http.method,
      path: new URL(http.url).pathname,
      authorization: http.headers.get("authorization") ?? "",
      body: await http.text(),
      encoding: http.headers.get("content-encoding") ?? "",
    };
    this.requests.push(request);
    const answer = this.answer(request);
    if (answer !== undefined) return Response.json(answer);
    const error = { message: "refused by the test: usage limit", type: "invalid_request_error" };
    return Response.json({ error }, { status: 400 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** An extension that sends what would leave the machine to that server, under /outside/HOST/PATH. */
export function detour(url: string): string {
  return `
const { fetch } = globalThis;
globalThis.fetch = (input, init) => {
  const { host, pathname, search, hostname } = new URL(input instanceof Request ? input.url : input);
  if (hostname === "127.0.0.1") return fetch(input, init);
  const inside = ${JSON.stringify(url)} + "/outside/" + host + pathname + search;
  return fetch(input instanceof Request ? new Request(inside, input) : inside, init);
};
globalThis.WebSocket = class { constructor(url) { throw new Error("no socket to " + url); } };
export default function () {}
`;
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** A grey PNG of that size. */
export async function png(width: number, height: number): Promise<Uint8Array> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // Eight bits a pixel, grey, nothing else.
  header[8] = 8;
  const rows = new Uint8Array((width + 1) * height).map((_, at) => at % (width + 1) === 0 ? 0 : at % 251);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const parts = [chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array())];
  const start = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return new Uint8Array(await new Blob([start, ...parts.map((part) => new Uint8Array(part))]).arrayBuffer());
}

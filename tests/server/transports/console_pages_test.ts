// The console's answers: compressed or not, known already or not, and the headers that keep the page to itself.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CONSOLE_FILES } from "../../../src/console_files/files.ts";
import { consolePage, takesGzip } from "../../../src/server/transports/console_pages.ts";

const ask = (name: string, headers: Record<string, string> = {}) =>
  consolePage(name, {
    method: "GET",
    path: `/${name}`,
    headers: new Map(Object.entries({ host: "localhost:3141", ...headers })),
    peer: "127.0.0.1",
  });

Deno.test("console pages: each file is what its hash says, compressed and plain", async () => {
  for (const { name, hash, contentType } of CONSOLE_FILES) {
    const plain = await ask(name);
    const gzip = await ask(name, { "accept-encoding": "gzip, deflate, br" });
    assertEquals([plain.status, plain.contentType, gzip.contentType], [200, contentType, contentType]);
    assertEquals([plain.headers?.["content-encoding"], gzip.headers?.["content-encoding"]], [
      undefined,
      "gzip",
    ]);
    assert(plain.body instanceof Uint8Array && gzip.body instanceof Uint8Array);
    assert(gzip.body.length < plain.body.length);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", plain.body));
    assertEquals(digest.subarray(0, 8).toHex(), hash);
    assertEquals([plain.headers?.etag, gzip.headers?.etag], [`"${hash}"`, `"${hash}-gzip"`]);
  }
});

Deno.test("console pages: the page is asked for anew, what it names stays for good", async () => {
  for (const { name } of CONSOLE_FILES) {
    const { headers } = await ask(name);
    const lasting = "public, max-age=31536000, immutable";
    assertEquals(headers?.["cache-control"], name === "" ? "no-cache" : lasting);
  }
});

Deno.test("console pages: a client with the same answer gets 304, and only then", async () => {
  const { headers } = await ask("");
  const tag = headers?.etag ?? "";
  for (const known of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
    const answer = await ask("", { "if-none-match": known });
    assertEquals([answer.status, answer.body, answer.headers?.etag], [304, "", tag], known);
  }
  for (const known of ['"x"', tag.slice(1), tag.replace(/"$/, '-gzip"'), ""]) {
    assertEquals((await ask("", { "if-none-match": known })).status, 200, known);
  }
});

Deno.test("console pages: gzip is for clients that take it", () => {
  for (const yes of ["gzip", "GZIP", "deflate, gzip;q=0.1", "*", "br;q=1, *;q=0.5"]) {
    assert(takesGzip(yes), yes);
  }
  for (
    const no of [undefined, "", "br", "identity", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "x-gzip", "gzip;q=x"]
  ) {
    assert(!takesGzip(no), no);
  }
});

Deno.test("console pages: the policy names the server itself and nothing else", async () => {
  const { headers } = await ask("", { host: "Pi.Example:8443" });
  const rules = new Map(
    (headers?.["content-security-policy"] ?? "").split("; ").map((rule) => {
      const [name = "", ...sources] = rule.split(" ");
      return [name, sources.join(" ")];
    }),
  );
  assertEquals(rules.get("connect-src"), "'self' ws://pi.example:8443 wss://pi.example:8443");
  for (const name of ["default-src", "base-uri", "form-action", "frame-ancestors"]) {
    assertEquals(rules.get(name), "'none'", name);
  }
  assertEquals([rules.get("script-src"), rules.get("style-src")], ["'self'", "'self'"]);
  assert(!/unsafe|https?:|\*/.test([...rules.values()].join(" ")));
});

Deno.test("console pages: what there is not is 404, and says nothing else", async () => {
  for (
    const name of [
      "assets/console-0000000000000000.js",
      "assets/files.ts",
      "assets/..",
      "index.html",
      "__proto__",
    ]
  ) {
    const { status, body, headers } = await ask(name);
    assertEquals([status, body, headers?.["cache-control"]], [404, "Not found\n", undefined], name);
    assertStringIncludes(headers?.["x-content-type-options"] ?? "", "nosniff");
  }
});

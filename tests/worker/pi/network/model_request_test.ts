// What the error of a failed request says of the proxy that it went through.
import { assertEquals } from "@std/assert";
import { proxyNote } from "../../../../src/worker/pi/network/model_request.ts";

const HTTPS = new URL("https://api.model.test/v1");
const HTTP = new URL("http://127.0.0.1:8080/v1");

Deno.test("an error names the proxy of its address, without user and password", () => {
  const env = { HTTPS_PROXY: "http://ada:secret@proxy.test:3128", http_proxy: "http://other.test:80" };
  assertEquals(proxyNote(HTTPS, env), " (through HTTPS_PROXY=http://proxy.test:3128)");
  assertEquals(proxyNote(HTTP, env), " (through HTTP_PROXY=http://other.test:80)");
});

Deno.test("an error names no proxy where there is none, or NO_PROXY may name the host", () => {
  assertEquals(proxyNote(HTTPS, { HTTP_PROXY: "http://proxy.test:3128", HTTPS_PROXY: "" }), "");
  const env = { HTTPS_PROXY: "http://proxy.test:3128", HTTP_PROXY: "http://proxy.test:3128" };
  for (const names of ["*", "model.test", ".model.test", "x.test, api.model.test:443", "*.model.test"]) {
    assertEquals(proxyNote(HTTPS, { ...env, NO_PROXY: names }), "", names);
  }
  assertEquals(proxyNote(HTTP, { ...env, no_proxy: "127.0.0.1" }), "");
  const told = " (through HTTPS_PROXY=http://proxy.test:3128)";
  assertEquals(proxyNote(HTTPS, { ...env, NO_PROXY: "other.test,, " }), told);
});

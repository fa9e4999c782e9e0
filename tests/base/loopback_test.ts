// One rule for loopback: the table holds every spelling that the bind address, a Host header and a URL can have.
import { assertEquals } from "@std/assert";
import { canonicalHost, isLoopback } from "../../src/base/loopback.ts";

const LOOPBACK = [
  ..."localhost LOCALHOST LocalHost 127.0.0.1 127.255.255.255 127.1.2.3 ::1 [::1]".split(" "),
  ..."0:0:0:0:0:0:0:1 [0:0:0:0:0:0:0:1] ::0001 ::ffff:127.0.0.1 [::ffff:127.0.0.1] ::FFFF:127.0.0.1".split(
    " ",
  ),
  ..."::ffff:7f00:1 [::ffff:7f00:1] 0:0:0:0:0:ffff:127.9.9.9".split(" "),
];

const OTHER = [
  ..."0.0.0.0 :: [::] 128.0.0.1 127.0.0.256 127.0.0.999 127.0.0 127.1 1270.0.1 0x7f.0.0.1 a127.0.0.1".split(
    " ",
  ),
  ..."::2 [::1 ::1] [[::1]] ::ffff:128.0.0.1 ::ffff:8000:1 ::ffff:0:7f00:1 64:ff9b::7f00:1 ::127.0.0.1".split(
    " ",
  ),
  ..."localhost. localhost.evil.example xlocalhost evil.example 127.0.0.1.evil.example".split(" "),
  ...["", " ", " localhost", "localhost ", "127.0.0.1 ", "127.0.0.1\n", "\uff12\uff17.0.0.1"],
];

Deno.test("loopback: every spelling of a loopback address, and nothing else", () => {
  for (const host of LOOPBACK) assertEquals(isLoopback(host), true, JSON.stringify(host));
  for (const host of OTHER) assertEquals(isLoopback(host), false, JSON.stringify(host));
});

Deno.test("loopback: one spelling for one address", () => {
  assertEquals(canonicalHost("[0:0:0:0:0:FFFF:10.0.0.1]"), "::ffff:a00:1");
  assertEquals(canonicalHost("App.Example"), "app.example");
  assertEquals(canonicalHost("[::1"), "[::1");
});

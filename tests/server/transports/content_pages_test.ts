// The ranges of a request for a content (RFC 9110, 14).

import { assertEquals } from "@std/assert";
import { rangeOf } from "../../../src/server/transports/content_pages.ts";

Deno.test("content pages: ranges", () => {
  const cases: readonly [string | undefined, ReturnType<typeof rangeOf>][] = [
    [undefined, undefined],
    ["bytes=0-0", [0, 0]],
    ["bytes=0-", [0, 99]],
    ["bytes=10-19", [10, 19]],
    ["bytes=90-500", [90, 99]],
    ["bytes=-1", [99, 99]],
    ["bytes=-1000", [0, 99]],
    ["bytes=100-", "none"],
    ["bytes=100-200", "none"],
    ["bytes=-0", "none"],
    ["bytes=-", undefined],
    ["bytes=5-4", undefined],
    ["bytes=1-2,4-5", undefined],
    ["bytes=a-b", undefined],
    ["items=1-2", undefined],
    ["bytes=9999999999999999-", undefined],
  ];
  for (const [header, expected] of cases) assertEquals(rangeOf(header, 100), expected, `${header}`);
  assertEquals(rangeOf("bytes=0-", 0), "none");
});

// The policy of an exported page: it names exactly the scripts that are in the page, and those run without recursion.

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { guardScript } from "../../../../src/worker/pi/export/export_guard.ts";
import { securePage } from "../../../../src/worker/pi/export/html_export.ts";

const TEMPLATE = `<!DOCTYPE html><html><head><title>x</title></head><body>
<script id="session-data" type="application/json">e30=</script>
<script>library("$&", "ü 日本");</script>
<script>
  function sortChildren(node) { node.children.forEach(sortChildren); }
  roots.forEach(sortChildren);
  html = '<div onclick="this.classList.toggle(\\'open\\')">' + \`<b onclick="this.classList.toggle('open')">\`;
</script></body></html>`;

async function hashOf(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `'sha256-${btoa(String.fromCharCode(...hash))}'`;
}

Deno.test("export: the policy names the scripts of the page and the template's handlers, and nothing else", async () => {
  const page = securePage(Buffer.from(TEMPLATE)).toString();
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(page)?.[1] ?? "";
  const named = [.../script-src ([^;]*)/.exec(policy)?.[1]?.matchAll(/'sha256-[^']*'/g) ?? []].map(String);
  const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(([, text = ""]) => text);
  assertEquals(scripts.length, 3);
  const handler = "this.classList.toggle('open')";
  assertEquals(named, await Promise.all([...scripts, handler].map(hashOf)));
  assert(policy.startsWith("default-src 'none'"));
  assert(page.indexOf(policy) < page.indexOf("<script>"), "a script stands before the policy");
  assert(page.includes('library("$&", "ü 日本");'));
  assert(!page.includes("children.forEach(sortChildren)"));
  assert(page.includes('<script id="session-data" type="application/json">e30=</script>'));
});

Deno.test("export: the guard cannot end its own element, and a page without a head is refused", () => {
  assert(!/<\/script|<!--/i.test(guardScript(["</script><!--"])));
  assertThrows(() => securePage(Buffer.from(TEMPLATE.replace("<head>", ""))));
  assertThrows(() => securePage(Buffer.from("<html><head></html>")));
  assertThrows(
    () => securePage(Buffer.from('<head><script id="session-data" type="application/json">e30=')),
  );
});

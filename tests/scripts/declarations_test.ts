// Reading the archive that the types are taken from.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { untar } from "../../scripts/build/declarations.ts";

/** One entry, as tar writes it. */
function entry(name: string, text: string, type = "0", prefix = ""): Uint8Array {
  const content = new TextEncoder().encode(text);
  const bytes = new Uint8Array(512 + Math.ceil(content.length / 512) * 512);
  const put = (at: number, value: string): void => bytes.set(new TextEncoder().encode(value), at);
  put(0, name);
  put(124, `${content.length.toString(8).padStart(11, "0")}\0`);
  put(156, type);
  put(345, prefix);
  bytes.set(content, 512);
  return bytes;
}

function archive(...entries: Uint8Array[]): Uint8Array {
  return new Uint8Array([...entries, new Uint8Array(1024)].flatMap((bytes) => [...bytes]));
}

Deno.test("untar: files that fit, whatever lies between them", () => {
  const long = "x".repeat(1300);
  const bytes = archive(
    entry("package/a.d.ts", "type A = 1;"),
    entry("package/skipped.js", long),
    entry("package/folder", "", "5"),
    entry("b.d.ts", long, "0", "package/deep"),
  );
  assertEquals([...untar(bytes, (name) => name.endsWith(".d.ts"))], [
    ["package/a.d.ts", "type A = 1;"],
    ["package/deep/b.d.ts", long],
  ]);
});

Deno.test("untar: an archive that makes no sense is refused", () => {
  const bytes = archive(entry("a.d.ts", "text"));
  bytes.fill(0x7a, 124, 135);
  const error = assertThrows(() => [...untar(bytes, () => true)]);
  assertStringIncludes(String(error), "damaged");
});

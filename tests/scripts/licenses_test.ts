// License notices: read from packages as they lie in node_modules, put on one page, and refused where one is missing.
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { licensePage, type Notice, readNotice } from "../../scripts/build/licenses.ts";

/** A package's folder with those files, read. */
async function notice(files: Readonly<Record<string, string>>): Promise<Notice> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-license-" });
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    return await readNotice(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const manifest = (fields: Record<string, unknown>): string =>
  JSON.stringify({ name: "one", version: "1.2.3", ...fields });
const OWN: Notice = { name: "ours", version: "1", license: "MIT", holder: "", texts: ["Our own text"] };

Deno.test("licenses: what a package says, in every form that packages use", async () => {
  const files = {
    "LICENSE.md": "The text",
    "NOTICE": "The notice",
    "licenses.js": "code",
    "README.md": "words",
  };
  const read = await notice({ "package.json": manifest({ license: "ISC" }), ...files });
  assertEquals(read, {
    name: "one",
    version: "1.2.3",
    license: "ISC",
    holder: "the authors of one",
    texts: ["The text", "The notice"],
  });
  const old = await notice({
    "package.json": manifest({ license: { type: "MIT" }, author: { name: "A B" } }),
  });
  assertEquals([old.license, old.holder, old.texts], ["MIT", "A B", []]);
  const mail = await notice({
    "package.json": manifest({ license: "MIT", author: "C D <c@d> (https://d)" }),
  });
  assertEquals(mail.holder, "C D");
});

Deno.test("licenses: the page has every package once, and a shared text once", () => {
  const one = (name: string, texts: string[]): Notice => ({
    name,
    version: "1",
    license: "MIT",
    holder: name,
    texts,
  });
  const page = licensePage(OWN, [one("b", ["Shared"]), one("a", ["Shared"]), one("c", [])]);
  assertStringIncludes(page, "Our own text");
  assertStringIncludes(page, "a 1: MIT\n  b 1: MIT\n  c 1: MIT");
  assertStringIncludes(page, "a 1\nb 1\n\nShared\n");
  assertEquals(page.split("Shared").length, 2);
  // Its text is made from its name and its holder's.
  assertStringIncludes(page, "c 1\n\nThe MIT License\n\nCopyright (c) c\n");
});

Deno.test("licenses: a package without one cannot be bundled, nor one whose text is nowhere", async () => {
  const none = await notice({ "package.json": manifest({}), "index.js": "" });
  assertStringIncludes(String(assertThrows(() => licensePage(OWN, [none]))), "one 1.2.3 has neither");
  const bare = await notice({ "package.json": manifest({ license: "Apache-2.0" }) });
  assertStringIncludes(String(assertThrows(() => licensePage(OWN, [bare]))), "brings no license file");
  const text = "Apache License, Version 2.0, in full";
  const page = licensePage(OWN, [bare, { ...bare, name: "two", texts: [text] }]);
  assert(page.includes(`one 1.2.3\ntwo 1.2.3\n\n${text}`), page);
});

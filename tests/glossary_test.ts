// The glossary: each word has exactly one sentence, and the code or its texts use it.
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url).pathname;
const MOST_WORDS = 25;

/** The text of all sources, in lower case, with the words of a name apart. */
async function sources(folder: string): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory && name !== "console_files") texts.push(await sources(`${folder}/${name}`));
    if (!/\.tsx?$/.test(name)) continue;
    const text = await Deno.readTextFile(`${folder}/${name}`);
    texts.push(text.replaceAll(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase());
  }
  return texts.join("\n");
}

Deno.test("glossary: each word has one sentence of at most 25 words, and the sources use it", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/GLOSSARY.md`);
  const rows = [...page.matchAll(/^\| ([a-z][\w ]+?) +\| (.+?) +\|$/gm)];
  const words = rows.map(([, word = ""]) => word);
  assert(words.length >= 40, `${words.length} words`);
  assertEquals(words.filter((word, at) => words.indexOf(word) !== at), [], "twice");
  const texts = await sources(`${ROOT}src`);
  for (const [, word = "", meaning = ""] of rows.filter(([, word]) => word !== "Word")) {
    assert(
      /^(?:[A-Z]|pi\b).*\.$/.test(meaning) && !/[.!?] /.test(meaning),
      `${word} has not one sentence: ${meaning}`,
    );
    assert(meaning.split(" ").length <= MOST_WORDS, `${word} has too long a sentence: ${meaning}`);
    assert(new RegExp(`\\b${word}`).test(texts), `nothing in src is called ${word}`);
  }
});

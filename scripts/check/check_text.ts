// Does: checks what people read: references that lead nowhere, words and sentences that break the rules for English.
// Used by: check_sources.ts. The rules are in CONTRIBUTING.md (Plain English).
// Invariant: a rule has no count that may stay above zero. A folder is either checked or named in UNCHECKED.

import * as path from "node:path";
import { lineAt, piecesOf } from "./source_text.ts";

/** A broken rule, and its place. */
export interface TextFinding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Prose of one file: a comment, a string, or a paragraph of a page. */
interface Prose {
  readonly kind: "comment" | "string" | "page";
  readonly text: string;
  readonly line: number;
}

/** Folders of TypeScript whose texts are checked. */
const SOURCE_FOLDERS: readonly string[] = ["src", "scripts", "tests"];
/** Pages outside of `docs` that are checked. */
const ROOT_PAGES: readonly string[] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/** Pages that a reference may name although the repository has none: pi and the ecosystem define them. */
const FOREIGN_PAGES: ReadonlySet<string> = new Set([
  "AGENTS.md",
  "APPEND_SYSTEM.md",
  "CLAUDE.md",
  "LICENSE.md",
  "SKILL.md",
  "SYSTEM.md",
]);

/** Words that hide the actor, or that no reader expects. */
const WORDS = /\b(whoever|somebody|nobody|let go|lets go|(?<!there )is no(?! longer\b)|told|as it comes)\b/gi;
/** Words that a sentence of a comment may have. */
const SENTENCE_WORDS = 40;

/** Files and folders whose English is not checked, with the reason. */
const UNCHECKED: readonly (readonly [prefix: string, reason: string])[] = [];

/** Checks all texts, by path from the repository's root. */
export function checkTexts(
  texts: ReadonlyMap<string, string>,
  unchecked: readonly (readonly [prefix: string, reason: string])[] = UNCHECKED,
): TextFinding[] {
  const names = new Set([...texts.keys()].map((file) => path.posix.basename(file)));
  const anchors = new Map<string, Set<string>>();
  for (const [file, text] of texts) if (file.endsWith(".md")) anchors.set(file, anchorsOf(text));
  const findings: TextFinding[] = [];
  for (const [file, text] of texts) {
    const marker = /(?<![^\s])(?:<{7}|>{7}) \w/.exec(text);
    if (marker) {
      findings.push({ file, line: lineAt(text, marker.index), message: "a conflict is not resolved" });
    }
    const prose = file.endsWith(".md") ? pageProse(text) : /\.tsx?$/.test(file) ? sourceProse(text) : [];
    for (const piece of prose) {
      const find = (index: number, message: string): void => {
        findings.push({ file, line: piece.line + lineAt(piece.text, index) - 1, message });
      };
      checkReferences(file, piece, { texts, names, anchors }, find);
      if (!unchecked.some(([prefix]) => file.startsWith(prefix))) checkEnglish(piece, find);
    }
  }
  return findings;
}

interface Known {
  readonly texts: ReadonlyMap<string, string>;
  /** Names of all files, without their folders. */
  readonly names: ReadonlySet<string>;
  /** Anchors of the headings of each page. */
  readonly anchors: ReadonlyMap<string, ReadonlySet<string>>;
}

function checkReferences(
  file: string,
  { kind, text }: Prose,
  { texts, names, anchors }: Known,
  find: (index: number, message: string) => void,
): void {
  const exists = (name: string): boolean =>
    texts.has(name) || [...texts.keys()].some((one) => one.startsWith(`${name.replace(/\/$/, "")}/`));
  for (const { index } of text.matchAll(/ §\s?\d/g)) {
    find(index, "refers to a section by number; name its heading: docs/PROTOCOL.md#reading-slowly");
  }
  for (const { index, 0: whole, 1: page, 2: anchor } of text.matchAll(/(docs\/[A-Z_]+\.md)#([\w-]+)/g)) {
    if (anchors.get(page ?? "")?.has(anchor ?? "") !== true) find(index, `${whole} leads nowhere`);
  }
  if (kind === "string") return;
  for (const { index, 0: name } of text.matchAll(/(?<![\w./-])(?:docs\/)?[A-Z][A-Z_]+\.md\b/g)) {
    const known = FOREIGN_PAGES.has(name) || exists(name) || exists(`docs/${name}`);
    if (!known) find(index, `there is no page ${name}`);
  }
  const paths =
    /(?<![\w./:@-])(?:src|tests|scripts|docs|dist)\/[\w./-]*\w\.(?:tsx?|md|json|py|sh|go|rs|html)\b/g;
  for (const { index, 0: name } of text.matchAll(paths)) {
    if (!name.startsWith("dist/") && !exists(name)) find(index, `there is no file ${name}`);
  }
  if (kind === "comment") {
    for (const { index, 0: name } of text.matchAll(/(?<![\w./:@*-])[a-z][a-z0-9_]*\.tsx?\b/g)) {
      if (!names.has(name)) find(index, `there is no file ${name}`);
    }
    return;
  }
  for (const { index, 1: link = "" } of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [target = "", anchor] = link.split("#");
    const page = target === ""
      ? file
      : path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
    if (!exists(page)) find(index, `the link ${link} leads nowhere`);
    else if (anchor !== undefined && anchors.get(page)?.has(anchor) !== true) {
      find(index, `the link ${link} leads to no heading`);
    }
  }
}

function checkEnglish({ kind, text }: Prose, find: (index: number, message: string) => void): void {
  for (const { index, 0: word } of text.matchAll(WORDS)) {
    find(index, `says "${word}"; name the actor, and use the words of docs/GLOSSARY.md`);
  }
  if (kind !== "comment") return;
  // A sentence ends at a stop that a blank follows, and at an empty line, a list item or a tag.
  for (
    const { index, 0: sentence } of text.matchAll(/(?:[^.?!\n]|[.?!](?!\s|$)|\n(?!\s*(?:\n|- |@|\d+\. )))+/g)
  ) {
    const words = sentence.split(/\s+/).filter((word) => /\w/.test(word)).length;
    if (words <= SENTENCE_WORDS) continue;
    find(index, `has a sentence of ${words} words, ${SENTENCE_WORDS} at most; one fact a sentence`);
  }
}

/** Comments and strings of a source; line comments that follow each other are one text. */
function sourceProse(text: string): Prose[] {
  const prose: Prose[] = [];
  const lines = text.split("\n");
  let last: { kind: "comment"; text: string; line: number; end: number } | undefined;
  for (const piece of piecesOf(text)) {
    if (piece.kind === "string") {
      prose.push(piece);
      continue;
    }
    if (!piece.text.startsWith("//")) {
      prose.push({ ...piece, text: piece.text.replaceAll(/\/\*+|\*\/|^[ \t]*\*/gm, blank) });
      continue;
    }
    const words = piece.text.replace(/^\/\/+/, blank);
    const alone = (lines[piece.line - 1] ?? "").trimStart().startsWith("//");
    if (last !== undefined && alone && last.end === piece.line - 1) {
      last.text += `\n${words}`;
      last.end = piece.line;
    } else {
      last = { kind: "comment", text: words, line: piece.line, end: piece.line };
      prose.push(last);
    }
  }
  return prose;
}

/** The page with code blanked: names of code are no prose, but a link in them is one. */
function pageProse(text: string): Prose[] {
  const fences = text.replaceAll(/^ *```[^]*?^ *```/gm, (code) => code.replaceAll(/[^\n]/g, " "));
  return [{ kind: "page", text: fences, line: 1 }];
}

function blank(piece: string): string {
  return " ".repeat(piece.length);
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of text.replaceAll(/^ *```[^]*?^ *```/gm, "").matchAll(/^#+ (.+)$/gm)) {
    const slug = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-");
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The texts of the checkout at `root`, by path: sources, tests, scripts and pages. */
export async function readTexts(root: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const read = async (file: string): Promise<unknown> =>
    texts.set(file, await Deno.readTextFile(path.join(root, file)));
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(path.join(root, folder))) {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory) {
        if (entry.name !== "node_modules") await walk(name);
      } else if (
        entry.isFile &&
        /\.(?:tsx?|md|json|py|sh|ps1|go|rs|html|css|js|service|plist|conf)$|\/(?:Dockerfile|Caddyfile)$/.test(
          name,
        )
      ) await read(name);
      else if (/\.png$/.test(name)) texts.set(name, "");
    }
  };
  for (const page of [...ROOT_PAGES, "mod.ts"]) await read(page);
  for (const folder of [...SOURCE_FOLDERS, "docs", "deploy"]) await walk(folder);
  return new Map([...texts].sort(([a], [b]) => a < b ? -1 : 1));
}

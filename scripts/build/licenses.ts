// Collects the license notices of what a bundle holds, for `pi-server --licenses`. Packages with the same text
// share it. A package that names no license, or names one whose text cannot be had, fails the build.

import type * as esbuild from "esbuild";
import * as path from "node:path";

/** One package and what it says of its license. */
export interface Notice {
  readonly name: string;
  readonly version: string;
  /** SPDX expression from package.json; empty where there is only a text. */
  readonly license: string;
  /** Whose it is, for texts that have to be filled in. */
  readonly holder: string;
  /** Texts of its license and notice files. */
  readonly texts: readonly string[];
}

const RULE = "=".repeat(80);
const LICENSE_FILE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i;

function mit(holder: string): string {
  return `The MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.`;
}

function bsd3(holder: string): string {
  return `Copyright ${holder}. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:

    * Redistributions of source code must retain the above copyright notice, this list of conditions and the
      following disclaimer.
    * Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the
      following disclaimer in the documentation and/or other materials provided with the distribution.
    * Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote
      products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE
USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`;
}

/** What a binary holds beside the bundle. */
export const RUNTIME_NOTICES: readonly Notice[] = [
  {
    name: "Deno",
    version: "the runtime inside the binary; its Cargo.lock lists the Rust crates that it is built from",
    license: "MIT",
    holder: "2018-2026 the Deno authors",
    texts: [],
  },
  {
    name: "V8",
    version: "the JavaScript engine inside Deno",
    license: "BSD-3-Clause",
    holder: "2014, the V8 project authors",
    texts: [],
  },
];

/** The folder of each npm package that has a part in the bundle; two versions of one package are two folders. */
export function packageFolders(root: string, metafile: esbuild.Metafile): ReadonlySet<string> {
  const folders = new Set<string>();
  for (const output of Object.values(metafile.outputs)) {
    for (const input of Object.keys(output.inputs)) {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
      if (match?.[1] !== undefined) folders.add(path.resolve(root, match[1]));
    }
  }
  return folders;
}

/** What a package says of its license. */
export async function readNotice(folder: string): Promise<Notice> {
  const manifest: { name?: string; version?: string; license?: unknown; author?: unknown } = JSON.parse(
    await Deno.readTextFile(path.join(folder, "package.json")),
  );
  const texts: string[] = [];
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && LICENSE_FILE.test(entry.name)) names.push(entry.name);
  }
  for (const name of names.sort()) texts.push((await Deno.readTextFile(path.join(folder, name))).trim());
  const named = (value: unknown, key: string): string => {
    if (typeof value === "string") return value;
    const inner: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
    return typeof inner === "string" ? inner : "";
  };
  const name = manifest.name ?? path.basename(folder);
  return {
    name,
    version: manifest.version ?? "",
    license: named(manifest.license, "type"),
    holder: named(manifest.author, "name").replace(/\s*[<(].*$/, "") || `the authors of ${name}`,
    texts,
  };
}

/** The text for a package that names a license and brings no file. */
function standardText(notice: Notice, all: readonly Notice[]): string {
  if (notice.license === "MIT") return mit(notice.holder);
  if (notice.license === "BSD-3-Clause") return bsd3(notice.holder);
  // These have no blanks to fill in, so another package's copy says the same.
  const same = notice.license === "Apache-2.0"
    ? all.find(({ license, texts }) => license === notice.license && texts.length > 0)
    : undefined;
  const text = same?.texts.find((one) => one.includes("Apache License"));
  if (text !== undefined) return text;
  throw new Error(
    notice.license === ""
      ? `${notice.name} ${notice.version} has neither a license file nor a license field, so it cannot be bundled`
      : `${notice.name} ${notice.version} is under ${notice.license} and brings no license file; add its text`,
  );
}

/** All notices as one page: a list of who is under what, then each text with whom it is for. */
export function licensePage(own: Notice, notices: readonly Notice[]): string {
  const all = [...notices].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const label = ({ name, version }: Notice): string => `${name} ${version}`.trim();
  const byText = new Map<string, string[]>();
  for (const notice of all) {
    const texts = notice.texts.length > 0 ? notice.texts : [standardText(notice, all)];
    const text = texts.join("\n\n");
    byText.set(text, [...byText.get(text) ?? [], label(notice)]);
  }
  const list = all.map((notice) => `  ${label(notice)}: ${notice.license || "see its text"}`);
  return [
    `${label(own)}: ${own.license}\n\n${own.texts.join("\n\n")}`,
    `It contains:\n\n${list.join("\n")}`,
    ...[...byText].map(([text, names]) => `${names.join("\n")}\n\n${text}`),
  ].join(`\n\n${RULE}\n\n`) + "\n";
}

// The type declarations of the package's exports, for npm. `deno pack` derives them from the same explicit types that
// JSR asks for; this takes out of its tarball what the exports need. They must stand alone: a declaration that
// imports another package fails the build, since the npm package has no dependencies.

import * as path from "node:path";

const BLOCK = 512;

/** The declarations that are needed. */
export interface Declarations {
  /** Text of each file by its path. */
  readonly files: ReadonlyMap<string, string>;
  /** Path of each export's own file by its key in deno.json. */
  readonly entries: Map<string, string>;
}

/** The regular files of a tar archive whose names fit; names that are too long for its header are not understood. */
export function* untar(archive: Uint8Array, fits: (name: string) => boolean): Generator<[string, string]> {
  const decoder = new TextDecoder();
  const field = (at: number, from: number, length: number): string =>
    decoder.decode(archive.subarray(at + from, at + from + length)).replace(/\0.*$/s, "").trim();
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const prefix = field(at, 345, 155);
    const name = `${prefix === "" ? "" : `${prefix}/`}${field(at, 0, 100)}`;
    const size = parseInt(field(at, 124, 12), 8);
    if (!Number.isSafeInteger(size)) throw new Error(`the archive is damaged at ${name}`);
    const content = archive.subarray(at + BLOCK, at + BLOCK + size);
    if ([0, 0x30].includes(archive[at + 156] ?? 0) && fits(name)) yield [name, decoder.decode(content)];
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** All declarations that `deno pack` makes, by their path. */
async function pack(root: string): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-types-" });
  try {
    const tarball = path.join(folder, "package.tgz");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["pack", "--allow-dirty", "--quiet", "--no-source-maps", "--output", tarball],
      cwd: root,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    if (!success) {
      throw new Error(`deno pack failed (it takes Deno 2.9):\n${new TextDecoder().decode(stderr)}`);
    }
    const packed = (await Deno.open(tarball)).readable.pipeThrough(new DecompressionStream("gzip"));
    const archive = new Uint8Array(await new Response(packed).arrayBuffer());
    return new Map(
      untar(archive, (name) => name.endsWith(".d.ts")).map(([name, text]) => [
        name.replace(/^package\//, ""),
        text,
      ]),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * The declaration for programs with `lib: ["es2022"]`, from TypeScript 5.2 on. They get the types of `await using`. A
 * signal has its type where the program has one. Iterators and typed arrays had fewer parameters before 5.6 and 5.7.
 */
export function portable(text: string): string {
  const plain = text.replaceAll("Uint8Array<ArrayBuffer>", "Uint8Array")
    .replace(/\bAsyncIterableIterator<(\w+), undefined>/g, "AsyncIterableIterator<$1>");
  const signals = /\bAbortSignal\b/.test(text) ? "\ndeclare global {\n  interface AbortSignal {}\n}\n" : "";
  const disposables = /\b(?:Async)?Disposable\b|\bSymbol\.(?:asyncD|d)ispose\b/.test(text)
    ? '/// <reference lib="esnext.disposable" />\n'
    : "";
  return `${disposables}${plain}${signals}`;
}

/** What a declaration takes from other modules. */
function imported(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
  const found = code.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)"([^"]+)"/g);
  return [...found].map(([, specifier = ""]) => specifier);
}

/** The declarations of these exports and of all that they name. */
export async function declarations(
  root: string,
  exports: Readonly<Record<string, string>>,
): Promise<Declarations> {
  const all = await pack(root);
  const files = new Map<string, string>();
  const entries = new Map(
    Object.entries(exports).map(([key, file]) => [key, path.posix.normalize(file).replace(/\.ts$/, ".d.ts")]),
  );
  const queue = [...entries.values()];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (files.has(name)) continue;
    const text = all.get(name);
    if (text === undefined) throw new Error(`there are no types for ${name}: see what deno pack says of it`);
    files.set(name, portable(text));
    for (const specifier of imported(text)) {
      if (!specifier.startsWith(".")) {
        throw new Error(
          `the types in ${name} need "${specifier}"; what is exported must name own types alone`,
        );
      }
      queue.push(path.posix.join(path.posix.dirname(name), specifier).replace(/\.[jt]s$/, ".d.ts"));
    }
  }
  return { files, entries };
}

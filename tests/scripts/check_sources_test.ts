// The check of the sources: it finds each broken rule, and passes what keeps them.
import { assert, assertEquals } from "@std/assert";
import { checkSource, checkSources, MAY_IMPORT } from "../../scripts/check/check_sources.ts";

const OTHERS = [
  "base/error_message",
  "base/log",
  "cli/main",
  "config/config",
  "ipc/messages",
  "protocol/codec",
  "runtime/runtime",
  "runtime/deno/deno",
  "server/manager/b",
  "server/router/b",
  "server/server",
  "server/workers/in_process_worker",
  "worker/session_worker",
  "worker/session/b",
  "worker/worker",
];

/** What the check says of one more file. */
function findings(file: string, code: string): string[] {
  const sources = new Map(OTHERS.map((name) => [`src/${name}.ts`, "// Header\n"]));
  sources.set(file, `// Header\n${code}\n`);
  return checkSources(sources).map(({ message }) => message);
}

const BROKEN: readonly (readonly [file: string, code: string, expected: string])[] = [
  ["src/protocol/a.ts", 'import { b } from "../server/router/b.ts";', "protocol may import base, not server"],
  ["src/protocol/a.ts", 'import type { B } from "../runtime/runtime.ts";', "only the entries"],
  ["src/protocol/a.ts", 'import process from "node:process";', "imports typebox alone"],
  ["src/worker/a.ts", 'export type B = import("../server/manager/b.ts").B;', "not server/manager"],
  ["src/server/router/a.ts", 'import "../../worker/session/b.ts";', "not worker/session"],
  ["src/server/manager/a.ts", 'import "../router/b.ts";', "not server/router"],
  ["src/worker/a.ts", 'const b = await import("../config/config.ts");', "not config"],
  ["src/base/a.ts", 'import "../server/router/b.ts";', "nothing but itself"],
  ["src/cli/a.ts", "const b = error instanceof Error ? error.message : String(error);", "use errorMessage"],
  ["src/server/router/a.ts", 'import { d } from "../../runtime/deno/deno.ts";', "only the entries"],
  ["src/server/router/a.ts", 'import * as pi from "@mariozechner/pi-ai";', "knows pi"],
  ["src/cli/commands/a.ts", 'import { TUI } from "@mariozechner/pi-tui";', "knows pi"],
  ["src/cli/attach/a.ts", 'import { b } from "../../server/router/b.ts";', "not server"],
  ["src/server/router/a.ts", 'import { b } from "./missing.ts";', "no such file"],
  ["src/server/router/a.ts", 'import { readFile } from "node:fs/promises";', "belong to src/runtime"],
  ["src/client/a.ts", 'import { b } from "../server/router/b.ts";', "client may import base, protocol, not"],
  ["src/cli/commands/a.ts", 'import { s } from "../../server/server.ts";', "not server"],
  ["src/cli/run/a.ts", 'import { s } from "../../worker/session/b.ts";', "not worker"],
  ["src/extra.ts", 'import { b } from "./server/router/b.ts";', "in no folder of the law"],
  ["src/server/router/a.ts", "const t = Date.now();", "uses Date.now"],
  ["src/server/router/a.ts", "const t = `at ${`${new Date()}`}`;", "uses new Date()"],
  ["src/server/router/a.ts", "globalThis.setTimeout(f, 1);", "uses globalThis.setTimeout"],
  ["src/server/router/a.ts", "const a = /[/'\"]/.test(b); Deno.exit(1);", "uses Deno"],
  ["src/server/router/a.ts", "const id = crypto.randomUUID();", "uses crypto"],
  ["src/server/router/a.ts", "// line\n".repeat(501), "lines; give one of its duties"],
  [
    "src/base/a.ts",
    "const a = Promise.withResolvers<void>();",
    "uses Promise.withResolvers, which Node 20.6",
  ],
  ["src/client/a.ts", "await Promise\n  .try(f);", "uses Promise.try, which"],
  ["src/worker/pi/a.ts", "const a = await Array.fromAsync(b);", "use for await"],
  ["src/worker/worker.ts", "const a = Map.groupBy(b, c);", "uses Map.groupBy"],
  ["src/runtime/node/a.ts", "const a = Iterator.from(b);", "uses Iterator.from"],
  ["src/runtime/a.ts", "const a = URL.parse(b);", "use URL.canParse"],
  ["src/cli/a.ts", "new RegExp(RegExp.escape(a));", "uses RegExp.escape"],
  ["src/cli/a.ts", "if (Error.isError(a)) b();", "use instanceof Error"],
  ["src/server/a.ts", "await using a = new AsyncDisposableStack();", "uses AsyncDisposableStack"],
  ["src/runtime/a.ts", "const a = import.meta.dirname;", "uses import.meta.dirname"],
  ["src/governor/a.ts", "const a = b.union(c);", "uses .union"],
  ["src/governor/a.ts", "const a = b.values().map(c);", "uses .values().map"],
  [
    "src/server/router/c.ts",
    'import { self } from "./c.ts";',
    "closes the circle src/server/router/c.ts → src/server/router/c.ts",
  ],
];

const KEPT: readonly (readonly [file: string, code: string])[] = [
  ["src/server/router/a.ts", 'const a = "Date.now() }`"; const b = `import "../cli.ts" ${a}`;'],
  ["src/server/router/a.ts", "/* setTimeout() */ clock.setTimeout(f); const a = b / c; // process.env"],
  ["src/server/router/a.ts", 'import { b } from "../../runtime/runtime.ts";\nimport "../manager/b.ts";'],
  ["src/server/workers/in_process_worker.ts", 'await import("../../worker/session_worker.ts");'],
  ["src/worker/worker.ts", 'import "../runtime/deno/deno.ts";'],
  ["src/runtime/a.ts", "setTimeout(f, Date.now());"],
  // What Node 20 lacks, where Node never runs; names that only look like it; and what Node 20 has.
  ["src/runtime/deno/a.ts", "const a = Promise.withResolvers<void>(); b.union(c);"],
  ["src/console/a.ts", "const a = URL.parse(b);"],
  ["src/base/a.ts", 'const a = "Promise.withResolvers"; // Array.fromAsync'],
  ["src/base/a.ts", "const a = parsed.URL.parse(b), union = difference(a, b), c = Object.values(a).map(d);"],
  ["src/base/a.ts", "const a = [...b.values()].map(c), d = AbortSignal.any(e), f = URL.canParse(g);"],
];

Deno.test("check of the sources: each broken rule is found", () => {
  for (const [file, code, expected] of BROKEN) {
    const found = findings(file, code).join("; ");
    assert(found.includes(expected), `${file}: ${code}\n  expected: ${expected}\n  found: ${found}`);
  }
});

Deno.test("check of the sources: what keeps the rules passes", () => {
  for (const [file, code] of KEPT) assertEquals(findings(file, code), [], `${file}: ${code}`);
});

Deno.test("check of the sources: a file without a header, a full folder and a file with many imports are found", () => {
  assertEquals(checkSource("src/server/router/a.ts", "export {};\n").length, 1);
  const many = new Map<string, string>(
    Array.from({ length: 40 }, (_, n) => [`src/base/f${n}.ts`, "// Header\n"] as const),
  );
  assertEquals(checkSources(many).map(({ message }) => message), [
    "holds 40 files, 12 at most; give one of its duties a folder of its own",
  ]);
  const imports = [...many.keys()].map((file) => `import "./${file.slice("src/base/".length)}";`).join("\n");
  const found = checkSources(new Map(many).set("src/base/all.ts", `// Header\n${imports}\n`));
  assert(
    found.some(({ file, message }) => file === "src/base/all.ts" && message.startsWith("imports 40 files")),
  );
});

Deno.test("check of the sources: the two threads stand in none of each other's rows", () => {
  for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
    const other = folder.startsWith("worker") ? "server" : folder.startsWith("server") ? "worker" : undefined;
    if (other === undefined) continue;
    assert(!allowed.some((name) => name.startsWith(other)), folder);
  }
});

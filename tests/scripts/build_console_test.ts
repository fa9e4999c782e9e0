// The console's committed files are what its sources make, small enough, and whole: a page that names its own files
// and nothing outside.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import * as esbuild from "esbuild";
import { buildConsole, staleness } from "../../scripts/build/build_console.ts";

/** esbuild's own process is ended after the work. */
async function built<T>(
  work: (built: Awaited<ReturnType<typeof buildConsole>>) => T | Promise<T>,
): Promise<T> {
  try {
    return await work(await buildConsole());
  } finally {
    await esbuild.stop();
  }
}

// esbuild's process is ended, and its wait ends after the test.
const BUNDLES = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "console: the committed files are not stale, and a change of one is noticed",
  BUNDLES,
  () =>
    built(async (console) => {
      assertEquals(await staleness(console), undefined);
      const [page, ...others] = console.files;
      assert(page !== undefined);
      const changed = { ...console, files: [{ ...page, content: `${page.content} ` }, ...others] };
      assertStringIncludes(await staleness(changed) ?? "", "deno task console");
    }),
);

Deno.test(
  "console: the page names its script and its style sheet by content, and loads nothing else",
  BUNDLES,
  () =>
    built(({ files, packages }) => {
      const [page, ...others] = files;
      assert(page !== undefined);
      assertEquals([page.name, others.map(({ name }) => name.split(".").at(-1))], ["", ["js", "css", "txt"]]);
      for (const { name, hash } of others) assertMatch(name, new RegExp(`^assets/console-${hash}\\.[a-z]+$`));
      const named = [...page.content.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
      assertEquals(
        named.filter((address) => !address?.startsWith("data:")).sort(),
        others.slice(0, 2).map(({ name }) => `./${name}`).sort(),
      );
      // The policy of the page allows neither.
      assert(!/<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)/.test(page.content), page.content);
      for (const name of packages) assertStringIncludes(others[2]?.content ?? "", name);
    }),
);

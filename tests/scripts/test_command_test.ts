// The test command runs every case: none is lost between the builds.
import { assert, assertEquals } from "@std/assert";
import { FILES_OF_THE_PROCESS } from "../support/process_cases.ts";
import { chosen, conformanceFiles, NAMED_FILES, spread } from "../../scripts/test.ts";

Deno.test("test command: every file runs on a build, whichever builds there are", () => {
  const files = conformanceFiles();
  assert(files.includes("framing") && files.length > 100, `${files}`);
  for (const builds of [["sources", "node", "binary"], ["sources", "node"], ["sources"]]) {
    const shares = spread(files, builds);
    assertEquals([...new Set([...shares.values()].flat())].toSorted(), files);
    for (const build of builds) assert(shares.get(build)?.includes("framing"), build);
    const sizes = [...shares.values()].map(({ length }) => length);
    assert(Math.min(...sizes) > files.length / builds.length / 2, `${sizes}`);
  }
});

Deno.test("test command: a file's build does not change with other files", () => {
  const [before, after] = [["crash", "crisp"], ["aaa", "crash", "crisp"]].map((files) =>
    spread(files, [1, 2, 3])
  );
  for (const [build, files] of before ?? []) {
    assertEquals(after?.get(build)?.filter((name) => name !== "aaa"), files);
  }
});

Deno.test("test command: what its arguments ask for", () => {
  const parts = ["unit", "sources", "node", "binary", "cluster"];
  assertEquals(chosen([]), { parts, every: false });
  assertEquals(chosen(["--all"]), { parts, every: true });
  assertEquals(chosen(["--only", "node"]), { parts: ["node"], every: true });
  assertEquals(chosen(["--only=unit"]), { parts: ["unit"], every: true });
  for (const wrong of [["--only"], ["--only", "nothing"], ["nothing"], ["--all", "node"]]) {
    assertEquals(chosen(wrong), undefined, `${wrong}`);
  }
});

Deno.test("test command: its lists name files that are there", () => {
  const files = new Set(conformanceFiles());
  const leftOut = Object.keys(FILES_OF_THE_PROCESS);
  assertEquals([...NAMED_FILES, ...leftOut].filter((name) => !files.has(name)), []);
});

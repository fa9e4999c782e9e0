// The test command runs every case: none is lost between the builds.
import { assert, assertEquals } from "@std/assert";
import { FILES_OF_THE_PROCESS } from "../support/cluster/process_cases.ts";
import {
  CASES_OF,
  chosen,
  conformanceFiles,
  conformancePaths,
  NAMED_FILES,
  RUNTIME_MATTERS,
  spread,
} from "../../scripts/test/test.ts";
import { askedOf, spreadNewer } from "../../scripts/test/test_newer.ts";
import { groupArgs, unitGroups } from "../../scripts/test/test_units.ts";
import { countCases, takeTimes, total } from "../../scripts/test/test_outcome.ts";

const BUILDS = ["sources", "node", "binary"] as const;

Deno.test("test command: every file runs on a build, whichever builds there are", () => {
  const files = conformanceFiles();
  assert(files.includes("framing") && files.length > 100, `${files}`);
  for (const builds of [BUILDS, ["sources", "node"], ["sources"]] as const) {
    const shares = spread(files, builds);
    assertEquals([...new Set([...shares.values()].flat())].toSorted(), files);
    for (const build of builds) assert(shares.get(build)?.includes("framing"), build);
  }
  const shares = spread(files, BUILDS);
  assertEquals(BUILDS.filter((build) => shares.get(build)?.includes("acp")), ["binary"]);
  const withoutBinary = spread(files, ["sources", "node"]);
  assertEquals(BUILDS.filter((build) => withoutBinary.get(build)?.includes("acp")), ["sources"]);
  assert((withoutBinary.get("sources")?.length ?? 0) < files.length / 2, "the sources cost most");
  for (const build of ["node", "binary"] as const) {
    assert((shares.get(build)?.length ?? 0) > files.length / 3, build);
  }
});

Deno.test("test command: a file's build does not change with other files", () => {
  const [before, after] = [["crash", "crisp"], ["aaa", "crash", "crisp"]].map((files) =>
    spread(files, BUILDS)
  );
  for (const [build, files] of before ?? []) {
    assertEquals(after?.get(build)?.filter((name) => name !== "aaa"), files);
  }
});

Deno.test("test command: a file with cases for one build alone runs on that build", async () => {
  const files = conformanceFiles();
  const shares = spread(files, BUILDS);
  const onBoth = (file: string) =>
    (["node", "binary"] as const).every((build) => shares.get(build)?.includes(file));
  const paths = conformancePaths();
  // The suite on pi 1.6 runs those about the runtime on Node.
  const placed = [...files.filter(onBoth), ...Object.keys(CASES_OF), ...RUNTIME_MATTERS];
  for (const file of files) {
    const text = await Deno.readTextFile(new URL(`../../${paths.get(file)}`, import.meta.url));
    if (/\bTARGET [!=]== "/.test(text)) {
      assert(placed.includes(file), `${file} is in no list of scripts/test/test.ts`);
    }
  }
  for (const [file, build] of Object.entries(CASES_OF)) assert(shares.get(build)?.includes(file), file);
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

Deno.test("test command: on pi 1.6 every file runs, those of every build on Deno and on a Node", () => {
  const files = conformanceFiles();
  const shares = spreadNewer(files);
  assertEquals([...new Set([...shares.values()].flat())].toSorted(), files);
  const places = (file: string) => [...shares.keys()].filter((name) => shares.get(name)?.includes(file));
  assertEquals(places("rpc_parity"), ["sources"]);
  assertEquals([places("framing").length, places("framing")[0]], [2, "sources"]);
  // On Deno they run with pi 0.73.
  assertEquals([places("acp").length, places("acp")[0] !== "sources"], [1, true]);
  for (const name of ["node22", "node24"] as const) {
    assert((shares.get(name)?.length ?? 0) > files.length / 3, name);
  }
});

Deno.test("test command: what the arguments of the suite on pi 1.6 ask for", () => {
  const names = ["sources", "node22", "node24"] as const;
  assertEquals(askedOf([]), { names, files: [], every: false });
  assertEquals(askedOf(["--all"]), { names, files: [], every: true });
  assertEquals(askedOf(["--only", "node24"]), { names: ["node24"], files: [], every: true });
  const file = "tests/conformance/models/prompt_test.ts";
  assertEquals(askedOf([file, "hooks"]), { names, files: ["prompt", "hooks"], every: true });
  for (const wrong of [["--only"], ["--only", "binary"], ["--al"], ["--all", "--only"]]) {
    assertEquals(askedOf(wrong), undefined, `${wrong}`);
  }
});

Deno.test("test command: its lists name files that are there", () => {
  const files = new Set(conformanceFiles());
  const leftOut = Object.keys(FILES_OF_THE_PROCESS);
  assertEquals([...NAMED_FILES, ...leftOut].filter((name) => !files.has(name)), []);
});

Deno.test("test command: every file of unit tests is in one group, and the group's run gets it", async () => {
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(`../../${folder}`, import.meta.url))) {
      if (isDirectory) await walk(`${folder}/${name}`);
      // What `deno test` itself takes for a file of tests.
      else if (/(?:^|[_.])test\.[cm]?[jt]sx?$/.test(name)) files.push(`${folder}/${name}`);
    }
  };
  await walk("tests");
  const isConformance = (name: string) => name.startsWith("tests/conformance/");
  // Two files of one name would be one file of the test command.
  assertEquals([...conformancePaths().values()].toSorted(), files.filter(isConformance).toSorted());
  const units = files.filter((name) => !isConformance(name));
  assert(units.length > 200, `${units.length}`);
  const groups = unitGroups();
  assertEquals(groups.flatMap((group) => group.files).toSorted(), units.toSorted());
  for (const group of groups) assertEquals(groupArgs(group).slice(-group.files.length), group.files);
  assertEquals(
    groups.find(({ name }) => name === "server")?.files.includes("tests/server/server_test.ts"),
    true,
  );
});

Deno.test("test command: the processor time of a file is that of the shell's children", () => {
  const times = "0m0.00s 0m0.01s\n1m2.50s 0m3.25s\n";
  assertEquals(takeTimes(`ok | 1 passed\n${times}`), { text: "ok | 1 passed", busySeconds: 65.75 });
  assertEquals(takeTimes("ok | 1 passed"), { text: "ok | 1 passed", busySeconds: 0 });
});

Deno.test("test command: the report says which cases failed, with their words, and which were left out", () => {
  const report = `<testsuites><testsuite>
    <testcase name="a &lt; b &gt; c" time="0.1"/>
    <testcase name="wrong" time="0.1"><failure message="Uncaught Error: one &amp;
&lt;two&gt;">stack</failure></testcase>
    <testcase name="nothing (no &quot;x&quot;)" time="0.0"><skipped/></testcase>
  </testsuite></testsuites>`;
  const counts = {
    passed: 1,
    failed: 1,
    ignored: 1,
    leftOut: ['nothing (no "x")'],
    failures: ["wrong\n    Uncaught Error: one &\n    <two>"],
  };
  assertEquals(countCases(report), counts);
  const sum = total([counts, counts].map((one) => ({ ...one, seconds: 1, busySeconds: 2 })));
  assertEquals([sum.passed, sum.failures?.length, sum.leftOut?.length, sum.busySeconds], [2, 2, 2, 4]);
  const long = report.replace("one", "x\n".repeat(100)).replace("two", "y".repeat(5_000));
  const told = countCases(long).failures?.[0] ?? "";
  assertEquals([told.split("\n").length, told.length < 2_000], [21, true]);
});

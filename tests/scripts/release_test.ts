// The parts of a release that can be tested here: the CHANGELOG's words and the switch to JSR's standard library. The
// workflows must pin the actions that they run, ask for few permissions, and know every binary.
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { parse } from "@std/yaml";
import { notesOf, versionOf } from "../../scripts/release/release_notes.ts";
import { fromJsr } from "../../scripts/release/std_from_jsr.ts";
import { COMPILE_TARGETS } from "../../scripts/build/targets.ts";
import { at, isObject, objectAt } from "../support/base/json.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (name: string): Promise<string> => Deno.readTextFile(new URL(name, ROOT));

const CHANGELOG = `# Changelog

Words.

## 1.10.0, 2026-05-06

- Ten.

## 1.1.0, 2026-01-02

- One.
- Two.

## 1.0.0, unreleased

- Zero.
`;

Deno.test("release notes: the words of that version alone", () => {
  assertEquals(notesOf(CHANGELOG, "1.1.0"), "- One.\n- Two.\n");
  assertEquals(notesOf(CHANGELOG, "1.10.0"), "- Ten.\n");
  assertStringIncludes(String(assertThrows(() => notesOf(CHANGELOG, "1.1"))), "no heading");
  assertStringIncludes(String(assertThrows(() => notesOf(CHANGELOG, "1.0.0"))), "give the date");
  const bare = "## 2.0.0, 2026-01-02\n\n## 1.0.0, 2026-01-01\n\n- Zero.\n";
  assertStringIncludes(String(assertThrows(() => notesOf(bare, "2.0.0"))), "says nothing");
});

Deno.test("release notes: the tag must name deno.json's version, and the CHANGELOG has a heading for it", async () => {
  const config = await read("deno.json");
  const { version } = JSON.parse(config);
  assertEquals(versionOf(`v${version}`, config), version);
  assertStringIncludes(String(assertThrows(() => versionOf("v99.0.0", config))), "v99.0.0");
  assertMatch(await read("CHANGELOG.md"), new RegExp(`^## ${version.replaceAll(".", "\\.")}, `, "m"));
});

Deno.test("std from JSR: every import of npm's copy is switched, and nothing else", async () => {
  const before = JSON.parse(await read("deno.json"));
  const after = JSON.parse(fromJsr(await read("deno.json")));
  assertEquals(after.imports["@std/assert"], "jsr:@std/assert@1");
  assertEquals(after.imports["@std/async/pool"], "jsr:@std/async@1/pool");
  assertEquals(after.imports["@std/cli/parse-args"], "jsr:@std/cli@1/parse-args");
  for (const [name, target] of Object.entries(before.imports)) {
    if (!String(target).startsWith("npm:deno-std@")) assertEquals(after.imports[name], target);
  }
  assert(!JSON.stringify(after).includes("deno-std"));
  assert(!JSON.stringify(after).includes("std.d.ts"));
  assertEquals({ ...after, imports: 0, compilerOptions: 0 }, { ...before, imports: 0, compilerOptions: 0 });
});

/** Every step of every job. */
function stepsOf(workflow: unknown): { job: string; step: unknown }[] {
  return Object.entries(objectAt(workflow, "jobs")).flatMap(([job, spec]) => {
    const steps = at(spec, "steps");
    return Array.isArray(steps) ? steps.map((step) => ({ job, step })) : [];
  });
}

for (const name of ["ci", "release"]) {
  Deno.test(`workflow ${name}: actions are pinned, rights are few, jobs end`, async () => {
    const workflow = parse(await read(`.github/workflows/${name}.yml`));
    assertEquals(at(workflow, "permissions"), { contents: "read" });
    const { tasks } = JSON.parse(await read("deno.json"));
    for (const { job, step } of stepsOf(workflow)) {
      const uses = at(step, "uses");
      if (uses !== undefined) assertMatch(String(uses), /^[\w.-]+\/[\w.-]+@[0-9a-f]{40}$/, job);
      if (String(uses).startsWith("actions/checkout@")) {
        assertEquals(at(step, "with", "persist-credentials"), false, job);
      }
      const command = String(at(step, "run") ?? "");
      for (const [, task = ""] of command.matchAll(/deno task ([\w:-]+)/g)) {
        assert(task in tasks, `${job} runs the task ${task}, which is not there`);
      }
      for (const [file] of command.matchAll(/\bscripts\/[\w.]+/g)) await Deno.stat(new URL(file, ROOT));
    }
    for (const [job, spec] of Object.entries(objectAt(workflow, "jobs"))) {
      if (at(spec, "uses") === undefined) {
        assert(Number(at(spec, "timeout-minutes")) > 0, `${job} has no end`);
      }
    }
  });
}

Deno.test("workflow release: every binary is tried on a system of its own, and nothing is published before", async () => {
  const jobs = objectAt(parse(await read(".github/workflows/release.yml")), "jobs");
  const matrix = at(jobs, "smoke", "strategy", "matrix", "include");
  const tried = (Array.isArray(matrix) ? matrix : []).map((one) => String(at(one, "file")));
  assertEquals(tried.sort(), COMPILE_TARGETS.map(({ name, suffix }) => `pi-server-${name}${suffix}`).sort());
  const publishing = Object.entries(jobs).filter(([, job]) =>
    /gh release create|npm publish|deno publish/.test(JSON.stringify(job))
  );
  assertEquals(publishing.map(([name]) => name).sort(), ["github", "jsr", "npm"]);
  for (const [name, job] of publishing) {
    assertEquals(at(job, "needs"), ["test", "smoke", "installers"], name);
    const rights = at(job, "permissions");
    assert(isObject(rights));
    const expected = name === "github" ? { contents: "write" } : { contents: "read", "id-token": "write" };
    assertEquals(rights, expected, name);
  }
});

const shell = { ignore: Deno.build.os === "windows" };
Deno.test("workflow release: the installers that it attaches know their repository", shell, async () => {
  const steps = stepsOf(parse(await read(".github/workflows/release.yml")));
  const found = steps.map(({ step }) => String(at(step, "run") ?? "")).find((run) =>
    run.includes("dist/install.sh")
  );
  const folder = await Deno.makeTempDir({ prefix: "pi-server-installers-" });
  try {
    await Deno.mkdir(`${folder}/dist`);
    await Deno.mkdir(`${folder}/scripts/release`, { recursive: true });
    for (const name of ["install.sh", "install.ps1"]) {
      await Deno.writeTextFile(`${folder}/scripts/release/${name}`, await read(`scripts/release/${name}`));
    }
    const { code, stderr } = await new Deno.Command("bash", {
      args: ["-euo", "pipefail", "-c", found ?? "exit 9"],
      cwd: folder,
      env: { GITHUB_REPOSITORY: "owner/name" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const [sh, ps1] = await Promise.all(
      ["sh", "ps1"].map((end) => Deno.readTextFile(`${folder}/dist/install.${end}`)),
    );
    assertStringIncludes(sh ?? "", '\nrepository="${PI_SERVER_REPOSITORY:-owner/name}"\n');
    assertStringIncludes(ps1 ?? "", "\n$repository = 'owner/name'\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const analyze = new Deno.Command("systemd-analyze", { args: ["--version"], stdout: "null", stderr: "null" });
const hasAnalyze = await analyze.output().then(({ success }) => success, () => false);
Deno.test("services: systemd understands the unit", { ignore: !hasAnalyze }, async () => {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-unit-" });
  try {
    // The program need not be installed here.
    const unit = (await read("deploy/pi-server.service")).replace("/usr/local/bin/pi-server", "/bin/true");
    await Deno.writeTextFile(`${folder}/pi-server.service`, unit);
    const { code, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", `${folder}/pi-server.service`],
      stdout: "null",
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("services: stopping takes longer than running turns get", async () => {
  const unit = await read("deploy/pi-server.service");
  const seconds = (key: string): number => Number(new RegExp(`${key}[= ](\\d+)s`).exec(unit)?.[1]);
  assert(seconds("TimeoutStopSec") > seconds("--shutdown-timeout"));
  const plist = await read("deploy/dev.pi-server.plist");
  assert(Number(/ExitTimeOut<\/key>\s*<integer>(\d+)/.exec(plist)?.[1]) > 30);
});

// The installer, run by a plain sh against a file server on loopback: what it downloads is a script that says its
// version, and everything that can be wrong with a download is tried. Nothing may be installed then.
import { dirname } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMPILE_TARGETS, ownTarget } from "../../scripts/build/targets.ts";

const SCRIPT = new URL("../../scripts/release/install.sh", import.meta.url).pathname;
const TRIED = Deno.build.os !== "windows";
const HAS_WGET = TRIED &&
  await new Deno.Command("wget", { args: ["--version"], stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);
const LINUX_BINARY = "#!/bin/sh\necho 9.8.7\n";

/** Files to be served; what isn't there is answered with 404. */
type Files = Record<string, string>;

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A release as the server offers it. */
async function release(over: Files = {}): Promise<Files> {
  const names = COMPILE_TARGETS.map(({ name, suffix }) => `pi-server-${name}${suffix}`);
  const sums = await Promise.all(names.map(async (name) => `${await sha256(LINUX_BINARY)}  ${name}\n`));
  return {
    ...Object.fromEntries(names.map((name) => [name, LINUX_BINARY])),
    SHA256SUMS: sums.join(""),
    ...over,
  };
}

interface Result {
  readonly code: number;
  readonly said: string;
  readonly asked: readonly string[];
  /** What is in the folder afterwards, with its text. */
  readonly installed: Files;
}

/** The files in that folder and below. */
async function filesIn(folder: string, under = ""): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(`${folder}/${under}`));
  const found = entries.map(({ name, isDirectory }) =>
    isDirectory ? filesIn(folder, `${under}${name}/`) : [`${under}${name}`]
  );
  return (await Promise.all(found)).flat();
}

/** Runs the script; `programs` come first in its path. */
async function install(
  files: Files,
  options: { programs?: Files; env?: Record<string, string>; before?: Files } = {},
): Promise<Result> {
  const top = await Deno.makeTempDir({ prefix: "pi-server-install-" });
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url }) => {
    const name = new URL(url).pathname.slice(1);
    asked.push(name);
    const text = files[name];
    return text === undefined ? new Response("no such file", { status: 404 }) : new Response(text);
  });
  try {
    const place = `${top}/a bin`;
    await Deno.mkdir(`${top}/tmp`);
    await Deno.mkdir(`${top}/programs`);
    await Deno.mkdir(place);
    for (const [name, text] of Object.entries(options.before ?? {})) {
      await Deno.mkdir(dirname(`${place}/${name}`), { recursive: true });
      await Deno.writeTextFile(`${place}/${name}`, text);
    }
    for (const [name, text] of Object.entries(options.programs ?? {})) {
      await Deno.writeTextFile(`${top}/programs/${name}`, text, { mode: 0o755 });
    }
    const { code, stderr } = await new Deno.Command("/bin/sh", {
      args: [SCRIPT],
      cwd: top,
      clearEnv: true,
      env: {
        PATH: `${top}/programs:/usr/local/bin:/usr/bin:/bin`,
        HOME: `${top}/home`,
        TMPDIR: `${top}/tmp`,
        PI_SERVER_INSTALL_DIR: place,
        PI_SERVER_BASE_URL: `http://127.0.0.1:${server.addr.port}`,
        ...options.env,
      },
      stdin: "null",
      stdout: "null",
    }).output();
    const left = (await Array.fromAsync(Deno.readDir(`${top}/tmp`))).map(({ name }) => name);
    assertEquals(left, [], "the download was left behind");
    const installed: Files = {};
    for (const name of await filesIn(place)) installed[name] = await Deno.readTextFile(`${place}/${name}`);
    return { code, said: new TextDecoder().decode(stderr), asked, installed };
  } finally {
    await server.shutdown();
    await Deno.remove(top, { recursive: true });
  }
}

function installer(name: string, fn: () => Promise<void>, tried = TRIED): void {
  Deno.test({ name: `install: ${name}`, ignore: !tried, fn });
}

const uname = (os: string, machine: string): Files => ({
  uname: `#!/bin/sh\ncase "$1" in -s) echo ${os} ;; -m) echo ${machine} ;; esac\n`,
});

installer("the binary for this machine, over an older one", async () => {
  const { code, said, asked, installed } = await install(await release(), { before: { "pi-server": "old" } });
  assertEquals(code, 0, said);
  assertEquals(installed, { "pi-server": LINUX_BINARY });
  assertEquals(asked, ["SHA256SUMS", `pi-server-${ownTarget()?.name}`]);
  assertStringIncludes(said, "installed 9.8.7 as ");
  assertStringIncludes(said, "is not in your PATH");
});

installer("each system gets its own", async () => {
  const systems = [
    ["Linux", "x86_64", "linux-x64"],
    ["Linux", "aarch64", "linux-arm64"],
    ["Darwin", "x86_64", "macos-x64"],
    ["Darwin", "arm64", "macos-arm64"],
  ] as const;
  for (const [os, machine, name] of systems) {
    const { code, asked, said } = await install(await release(), { programs: uname(os, machine) });
    assertEquals([code, asked[1]], [0, `pi-server-${name}`], said);
  }
  const rosetta = { ...uname("Darwin", "x86_64"), sysctl: "#!/bin/sh\necho 1\n" };
  assertEquals((await install(await release(), { programs: rosetta })).asked[1], "pi-server-macos-arm64");
});

installer("a wrong checksum installs nothing and leaves the older one", async () => {
  const name = `pi-server-${ownTarget()?.name}`;
  const files = await release({ [name]: `${LINUX_BINARY}echo changed on the way\n` });
  const { code, said, installed } = await install(files, { before: { "pi-server": "old" } });
  assertEquals([code, installed], [1, { "pi-server": "old" }]);
  assertStringIncludes(said, "checksum");
  assertStringIncludes(said, await sha256(LINUX_BINARY));
});

installer("an unknown system or machine is an error before any download", async () => {
  for (
    const [os, machine] of [["Plan9", "x86_64"], ["Linux", "riscv64"], ["MINGW64_NT", "x86_64"]] as const
  ) {
    const { code, said, asked, installed } = await install(await release(), { programs: uname(os, machine) });
    assertEquals([code, asked, installed], [1, [], {}], said);
    assertStringIncludes(said, os === "MINGW64_NT" ? "install.ps1" : `${os} on ${machine}`);
  }
  const musl = { ...uname("Linux", "x86_64"), ldd: "#!/bin/sh\necho 'musl libc (x86_64)' >&2\nexit 1\n" };
  const { code, said, asked } = await install(await release(), { programs: musl });
  assertEquals([code, asked], [1, []], said);
  assertStringIncludes(said, "musl");
});

installer("what is not there is named", async () => {
  const name = `pi-server-${ownTarget()?.name}`;
  const { [name]: _binary, ...others } = await release();
  const { SHA256SUMS: _sums, ...unsummed } = await release();
  for (const [files, word] of [[others, name], [unsummed, "SHA256SUMS"], [{}, "SHA256SUMS"]] as const) {
    const { code, said, installed } = await install(files);
    assertEquals([code, installed], [1, {}], said);
    assertStringIncludes(said, `${word} cannot be downloaded`);
  }
  const unlisted = await install(await release({ SHA256SUMS: `${"0".repeat(64)}  pi-server-other\n` }));
  assertEquals([unlisted.code, unlisted.installed], [1, {}]);
  assertStringIncludes(unlisted.said, `does not list ${name}`);
});

installer("a folder with the program's name is an error, and gets nothing", async () => {
  const { code, said, installed } = await install(await release(), { before: { "pi-server/mine": "text" } });
  assertEquals(code, 1, said);
  assertStringIncludes(said, "/pi-server is a folder");
  assertEquals(installed, { "pi-server/mine": "text" });
});

installer("a binary that does not run is not installed", async () => {
  const broken = "#!/bin/sh\nexit 7\n";
  const name = `pi-server-${ownTarget()?.name}`;
  const files = await release({ [name]: broken, SHA256SUMS: `${await sha256(broken)}  ${name}\n` });
  const { code, said, installed } = await install(files);
  assertEquals([code, installed], [1, {}], said);
  assertStringIncludes(said, "does not run");
});

const passed = (name: string): string => `#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin exec ${name} "$@"\n`;
const BARE = Object.fromEntries(
  "uname mktemp awk cut chmod mkdir cp mv rm sha256sum shasum ldd grep sh".split(" ")
    .map((name) => [name, passed(name)]),
);

installer("without curl and wget it says so", async () => {
  // The folder of these is the whole path.
  const none = await install(await release(), { programs: BARE, env: { PATH: "programs" } });
  assertEquals([none.code, none.installed], [1, {}], none.said);
  assertStringIncludes(none.said, "neither curl nor wget");
});

installer("without curl it takes wget", async () => {
  const env = { PATH: "programs" };
  const some = await install(await release(), { programs: { ...BARE, wget: passed("wget") }, env });
  assertEquals([some.code, some.installed], [0, { "pi-server": LINUX_BINARY }], some.said);
}, HAS_WGET);

installer("releases are asked for by repository and version", async () => {
  const programs = { ...uname("Linux", "x86_64"), curl: "#!/bin/sh\nexit 22\n" };
  const env = { PI_SERVER_BASE_URL: "", PI_SERVER_REPOSITORY: "owner/name" };
  for (
    const [version, way] of [["", "latest/download"], ["1.2.3", "download/v1.2.3"], [
      "v1.2.3",
      "download/v1.2.3",
    ]]
  ) {
    const { code, said } = await install({}, { programs, env: { ...env, PI_SERVER_VERSION: version ?? "" } });
    assertEquals(code, 1);
    assertStringIncludes(said, `https://github.com/owner/name/releases/${way}/pi-server-linux-x64\n`);
  }
});

installer("a copy that knows no repository says what to set", async () => {
  const { code, said } = await install(await release(), { env: { PI_SERVER_BASE_URL: "" } });
  assertEquals(code, 1);
  assertStringIncludes(said, "PI_SERVER_REPOSITORY");
  assert(!said.includes("github.com"), said);
});

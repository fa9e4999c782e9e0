// The permissions of hosts, from the configuration: what is on the lists and what never is.
import { assert, assertEquals } from "@std/assert";
import { credentialFiles } from "../../../src/server/sandbox/credential_files.ts";
import { hostsIn } from "../../../src/server/sandbox/provider_hosts.ts";
import { makeSandbox, type SandboxFacts } from "../../../src/server/sandbox/worker_permissions.ts";
import { PI_PACKAGES } from "../../../src/protocol/pi_package.ts";
import { files } from "../../../src/runtime/common.ts";

async function inPlace(fn: (top: string, facts: SandboxFacts) => Promise<void>): Promise<void> {
  const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-sandbox-" }));
  try {
    for (const name of ["work", "home", "agent", "tmp", "program", "state"]) {
      await Deno.mkdir(`${top}/${name}`);
    }
    await fn(top, {
      files,
      cwd: `${top}/work`,
      agentDir: `${top}/agent`,
      home: `${top}/home`,
      temporary: `${top}/tmp`,
      credentials: [`${top}/home/.aws/config`],
      program: [`${top}/program`],
      stateDir: `${top}/state`,
      allowNet: [],
      pi: PI_PACKAGES["0.73"],
      allowAnyNet: false,
    });
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

Deno.test("sandbox: sessions write in roots, pi's folder and temp, and read pi's needs beside that", async () => {
  await inPlace(async (top, facts) => {
    const { permissions, warnings } = await makeSandbox(facts);
    assertEquals(permissions.write, [`${top}/agent`, `${top}/tmp`, `${top}/work`]);
    for (
      const path of [
        `${top}/program`,
        "/bin/bash",
        `${top}/home/.agents`,
        `${top}/home/.aws/config`,
        `${top}/AGENTS.md`,
        "/.git",
      ]
    ) {
      assert(permissions.read.includes(path), path);
    }
    assertEquals(permissions.read.filter((path) => `${top}/state`.startsWith(path)), []);
    assertEquals([permissions.ffi, permissions.import, permissions.run, permissions.env], [
      false,
      false,
      true,
      true,
    ]);
    assertEquals(warnings, []);
  });
});

Deno.test("sandbox: roots replace the working folder; a link counts by both of its names", async () => {
  await inPlace(async (top, facts) => {
    await Deno.symlink(`${top}/home`, `${top}/linked`);
    const { permissions } = await makeSandbox({
      ...facts,
      roots: [`${top}/linked`],
      sessionDir: `${top}/sessions`,
    });
    assertEquals(permissions.write, [
      `${top}/agent`,
      `${top}/home`,
      `${top}/linked`,
      `${top}/sessions`,
      `${top}/tmp`,
    ]);
    assert(!permissions.read.includes(`${top}/work`));
  });
});

Deno.test("sandbox: a package in node_modules reads its siblings, and the folders where Node would look on", async () => {
  await inPlace(async (top, facts) => {
    const named = { read: [`${top}/p/node_modules/@scope/one`], warnings: [] };
    const { permissions } = await makeSandbox({ ...facts, named });
    const found = permissions.read.filter((path) => path.endsWith("node_modules") && path.startsWith(top));
    assertEquals(found, [
      `${top}/node_modules`,
      `${top}/p/node_modules`,
      `${top}/p/node_modules/@scope/node_modules`,
    ]);
  });
});

Deno.test("sandbox: a state folder that sessions could read is logged", async () => {
  await inPlace(async (top, facts) => {
    for (const stateDir of [`${top}/work/state`, `${top}/work`, `${top}/tmp/x/y`]) {
      assertEquals((await makeSandbox({ ...facts, stateDir })).warnings.length, 1, stateDir);
    }
    assertEquals((await makeSandbox({ ...facts, roots: ["/"] })).warnings.length, 1);
    assertEquals((await makeSandbox({ ...facts, stateDir: `${top}/work-2` })).warnings, []);
  });
});

Deno.test("sandbox: hosts are those of models, of models.json, of auth.json and those allowed, or all", async () => {
  await inPlace(async (top, facts) => {
    const text = '{"providers":{"mine":{"baseUrl":"http://127.0.0.1:1234/v1","apiKey":"k"}}}';
    await Deno.writeTextFile(`${top}/agent/models.json`, text);
    const login = '{"llama.cpp":{"type":"api_key","env":{"LLAMA_BASE_URL":"http://local.example:9931"}}}';
    await Deno.writeTextFile(`${top}/agent/auth.json`, login);
    const { net } = (await makeSandbox({ ...facts, allowNet: ["api.example"] })).permissions;
    assert(net !== true);
    for (const host of ["127.0.0.1:1234", "local.example:9931", "api.example", "api.anthropic.com"]) {
      assert(net.includes(host), host);
    }
    assert(!net.includes("127.0.0.1"));
    assertEquals((await makeSandbox({ ...facts, allowAnyNet: true })).permissions.net, true);
  });
});

Deno.test("sandbox: hosts are found in whatever stands around them", () => {
  const text = `{"a":"https://One.example/v1","b":"http://u:p@two.example:81/x", // wss://three.example
    "c":"http://[::1]:8080/","d":"ftp://no.example","e":"${"https://"}four.example"}`;
  assertEquals(hostsIn(text), [
    "one.example",
    "two.example:81",
    "three.example",
    "[::1]:8080",
    "four.example",
  ]);
});

Deno.test("sandbox: clouds' logins are where the clouds keep them, or where a variable says", () => {
  assertEquals(credentialFiles(() => undefined, "/home/x", files), [
    "/home/x/.config/gcloud/application_default_credentials.json",
    "/home/x/.aws/config",
    "/home/x/.aws/credentials",
    "/home/x/.aws/sso/cache",
  ]);
  const env: Record<string, string> = {
    GOOGLE_APPLICATION_CREDENTIALS: "/g.json",
    AWS_CONFIG_FILE: "/a",
    AWS_SHARED_CREDENTIALS_FILE: "",
  };
  const found = credentialFiles((name) => env[name], "/home/x", files);
  assertEquals(found.slice(0, 3), ["/g.json", "/a", "/home/x/.aws/credentials"]);
});

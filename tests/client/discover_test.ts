// Where the client finds a server's address and token, and whom it does not send the token that lies here.

import { assertEquals } from "@std/assert";
import type { Place } from "../../src/client/transports/discover.ts";

const PROGRAM = new URL("./discover_here.ts", import.meta.url);

/** What is found for each of the given places, in a process whose home has the address and the token of a server. */
async function found(
  given: readonly object[],
  variables: Record<string, string> = {},
  left = "ws://127.0.0.1:3141/",
): Promise<Place[]> {
  const home = await Deno.makeTempDir({ prefix: "pi-server-discover-" });
  try {
    const folder = `${home}/.pi/server`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/endpoint.json`, JSON.stringify({ url: left }));
    await Deno.writeTextFile(`${folder}/token`, "of-this-machine\n");
    const places = given.map((place) => JSON.parse(JSON.stringify(place).replaceAll("~", home)));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", PROGRAM.href, JSON.stringify(places)],
      clearEnv: true,
      env: { HOME: home, DENO_DIR: `${home}/deno`, ...variables },
      stderr: "inherit",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("discover: without a url it is the server of this machine, with its token", async () => {
  assertEquals(await found([{}]), [{ url: "ws://127.0.0.1:3141/", token: "of-this-machine" }]);
});

Deno.test("discover: this machine's token goes to loopback and to where its server listens, nowhere else", async () => {
  const urls = [
    "ws://localhost:1/",
    "ws://[::1]:1/",
    "ws://127.8.9.1:1/",
    "wss://pi.example/",
    "ws://127.0.0.1.example/",
    "ws://localhost@pi.example/",
    "ws://192.0.2.7:3141/",
    "nonsense",
  ];
  const tokens = async (left?: string) =>
    (await found(urls.map((url) => ({ url })), {}, left)).map(({ token }) => token !== undefined);
  assertEquals(await tokens(), [true, true, true, false, false, false, false, false]);
  assertEquals(
    await tokens("ws://192.0.2.7:8080/"),
    [true, true, true, false, false, false, true, false],
  );
});

Deno.test("discover: a token, a token file or a state folder that is named goes to any url", async () => {
  const url = "wss://pi.example/";
  assertEquals(await found([{ url, token: "said" }, { url, stateDir: "~/.pi/server" }]), [
    { url, token: "said" },
    { url, token: "of-this-machine" },
  ]);
  assertEquals(await found([{ url }], { PI_SERVER_TOKEN: "of-the-environment" }), [
    { url, token: "of-the-environment" },
  ]);
});

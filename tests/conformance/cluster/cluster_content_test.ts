// What a client of one node reads of a session of another one beside its events: large content over HTTP, and how
// much of it a client of stdio may ask for at once.

import { assert, assertEquals } from "@std/assert";
import type { TestCluster } from "../../support/cluster/cluster.ts";
import { stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import { clustered } from "./cluster_stage.ts";

/** A text of several pieces, and its reference. */
async function large(): Promise<{ words: string; hash: string }> {
  const words = Array.from({ length: 60_000 }, (_, n) => `${n} ö`.padEnd(10, ".")).join("");
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(words)));
  return { words, hash: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}

interface Asker {
  (headers?: Record<string, string>, at?: string): Promise<Response>;
}

/** Asks a node for a content, with its own token. */
async function asker(cluster: TestCluster, node: string, sessionId: string, hash: string): Promise<Asker> {
  const { server } = cluster.node(node);
  const base = (await server.endpoint()).url.replace(/^ws/, "http");
  const own = await server.token();
  return (headers = {}, at = hash) =>
    fetch(`${base}content/${sessionId}/${at}`, { headers: { authorization: `Bearer ${own}`, ...headers } });
}

clustered(
  "cluster: GET /content reaches a session of another node, with the rights of the token, as one command",
  async (cluster) => {
    const rates = ["--max-commands-per-minute-per-session", "9"];
    await cluster.start({ b: { defaultRates: true, args: rates }, g: { gateway: true } });
    const wire = await cluster.connect("g");
    const { id } = await cluster.session(wire, "b");
    const { words, hash } = await large();
    cluster.model.script(words.slice(0, 40), text(["read"]));
    await wire.ok({ type: "prompt", sessionId: id, message: words, waitFor: "settled" }, 60_000);
    const ask = await asker(cluster, "g", id, hash);
    // Each has four pieces or more, and the session takes nine commands a minute.
    for (let round = 0; round < 5; round++) {
      const whole = await ask();
      assertEquals([whole.status, await whole.text() === words], [200, true]);
    }
    const part = await ask({ range: "bytes=2-11" });
    assertEquals([part.status, (await part.arrayBuffer()).byteLength], [206, 10]);
    const known = await ask({ "if-none-match": `"${hash}"` });
    assertEquals([known.status, await known.text()], [304, ""]);
    const direct = await asker(cluster, "b", id, hash);
    const other = await cluster.connect("b");
    for (const one of [ask, direct]) {
      const unknown = await one({}, "0".repeat(64));
      // The rate of the session is the same for both, and may be used up by now.
      assert([404, 429].includes(unknown.status), String(unknown.status));
      await unknown.body?.cancel();
    }
    const mint = async (sessions: string[]): Promise<string> =>
      stringAt(await other.ok({ type: "mint_token", role: "observe", ttlMs: 600_000, sessions }), "token");
    const theirs = await ask({ authorization: `Bearer ${await mint(["another"])}` });
    assertEquals([theirs.status, await theirs.text()], [403, `This token is not for session "${id}"\n`]);
    await cluster.node("b").kill();
    await until(
      async () => {
        const gone = await ask();
        await gone.body?.cancel();
        return gone.status === 503;
      },
      20_000,
      () => "a content of a node that is gone was not refused",
    );
    // The session's file has it, and the session stays parked.
    await cluster.node("b").start();
    await cluster.together();
    const again = await ask();
    assertEquals([again.status, await again.text() === words], [200, true]);
  },
);

clustered(
  "cluster: a client of stdio waits at the limits of another node, as at its own",
  async (cluster) => {
    const small = ["--max-in-flight-per-connection", "8"];
    await cluster.start({ b: { args: small } });
    const g = await cluster.add("g", { gateway: true, mode: "stdio", args: small });
    await g.start();
    const wire = g.server.stdio();
    cluster.wires.push(wire);
    await wire.greeting(60_000);
    await cluster.sees(wire, { b: "running" });
    const { id, cwd } = await cluster.session(wire, "b");
    const held = wire.request({
      type: "bash",
      sessionId: id,
      command: "while [ ! -e go ]; do sleep 0.05; done",
    });
    // More than the node takes at once, and more than may be on its way there.
    const names = Array.from({ length: 600 }, (_, n) => `${n} `.padEnd(1_000, "n"));
    const renamed = names.map((name) =>
      wire.request({ type: "set_session_name", sessionId: id, name }, 90_000)
    );
    await Deno.writeTextFile(`${cwd}/go`, "");
    assertEquals((await held).success, true);
    const codes = new Set((await Promise.all(renamed)).map(({ code }) => code ?? "ok"));
    assertEquals([...codes], ["ok"]);
    const { sessionName } = await wire.ok({ type: "get_state", sessionId: id });
    assertEquals(sessionName, names.at(-1));
  },
);

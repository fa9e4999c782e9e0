// A stdio child whose parent was killed (PROTOCOL, Shutdown): it notices that no one reads its output while its tool
// is silent, stops, and frees the state folder. A parent that only ends its input still gets its answers.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isObject, type JsonObject } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import type { ServerProcess } from "../../support/server/server_process.ts";
import { deadline } from "../../support/base/wait.ts";
import { alone, type Bench } from "../suite.ts";

/** A parent that can let its end of either pipe go. */
class Parent {
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: ReadableStreamDefaultReader<Uint8Array>;
  readonly messages: JsonObject[] = [];
  #rest = "";

  constructor({ child }: ServerProcess) {
    this.#stdin = child.stdin.getWriter();
    this.#stdout = child.stdout.getReader();
  }

  async send(command: JsonObject): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  }

  /** Reads on until a message fits. */
  async until(fits: (message: JsonObject) => boolean): Promise<JsonObject> {
    const read = async (): Promise<JsonObject> => {
      while (true) {
        const found = this.messages.find(fits);
        if (found !== undefined) return found;
        const { value, done } = await this.#stdout.read();
        assert(!done, "the output ended");
        const lines = (this.#rest + new TextDecoder().decode(value)).split("\n");
        this.#rest = lines.pop() ?? "";
        for (const line of lines) {
          const message: unknown = JSON.parse(line);
          if (isObject(message)) this.messages.push(message);
        }
      }
    };
    return await deadline(
      read(),
      60_000,
      () => `a message; the last: ${JSON.stringify(this.messages.at(-1))}`,
    );
  }

  async endInput(): Promise<void> {
    await this.#stdin.close();
  }

  /** As the system does for a parent that is killed: both ends are closed. */
  async die(): Promise<void> {
    await this.endInput();
    await this.#stdout.cancel();
  }
}

/** A session in the middle of a tool that prints nothing for so many seconds. */
async function silent(bench: Bench, server: ServerProcess, seconds: number): Promise<Parent> {
  const parent = new Parent(server);
  const marker = bench.name("silent");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: `sleep ${seconds}` } }]),
    text(["done"]),
  );
  await parent.send({ id: "1", type: "create_session", sessionId: marker });
  await parent.until(({ id }) => id === "1");
  await parent.send({ id: "2", type: "subscribe", sessionId: marker });
  await parent.send({ id: "3", type: "prompt", sessionId: marker, message: marker, waitFor: "settled" });
  await parent.until(({ event }) => isObject(event) && event.type === "tool_execution_start");
  return parent;
}

for (const ws of [false, true]) {
  alone(
    `orphan: a parent that is gone is noticed while a tool is silent, ${ws ? "beside a WebSocket" : "alone"}`,
    async (bench) => {
      const server = bench.spawn({ mode: "stdio", args: ws ? [] : ["--no-ws"] });
      const parent = await silent(bench, server, 600);
      const next = bench.spawn({ mode: "stdio", args: ["--no-ws"] });
      assert(await next.exitCode() !== 0, "two servers use one state folder");
      assertStringIncludes(next.stderr, `process ${server.pid}`);
      const way = ws ? "connect to that one" : `end the program that started it, stop process ${server.pid}`;
      assertStringIncludes(next.stderr, way);
      await parent.die();
      await server.exitCode(20_000);
      assertStringIncludes(server.stderr, "stdout was closed by its reader");
      const after = bench.spawn({ mode: "stdio", args: ["--no-ws"] });
      const heir = new Parent(after);
      await heir.until(({ type }) => type === "server_ready");
      await heir.endInput();
      assertEquals(await after.exitCode(), 0);
    },
  );
}

alone("orphan: a parent that ends its input and reads on gets its answer", async (bench) => {
  const server = bench.spawn({ mode: "stdio", args: ["--no-ws"] });
  const parent = await silent(bench, server, 5);
  await parent.endInput();
  assertEquals((await parent.until(({ id }) => id === "3")).success, true);
  assertEquals(await server.exitCode(), 0);
  assert(!server.stderr.includes("stdout was closed by its reader"));
});

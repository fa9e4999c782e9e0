// A long list, read page by page: the cursor of each page leads to the next, and a server that knows no pages sends one.
import { assertEquals } from "@std/assert";
import { Client, type ListCommand, pages } from "../../src/client/mod.ts";
import { GREETING } from "../support/server/greeting.ts";

/** A client of a server with those pages, and the fields that it was sent. */
async function served(capabilities: string[], answers: readonly object[]) {
  const asked: object[] = [];
  const greeting = { ...GREETING, data: { ...GREETING.data, capabilities } };
  const client = await Client.open(
    (listener) => {
      queueMicrotask(() => listener.message(JSON.stringify(greeting)));
      return Promise.resolve({
        send(text) {
          const { id, type, ...fields } = JSON.parse(text);
          const data = answers[asked.length] ?? {};
          asked.push(fields);
          queueMicrotask(() => {
            listener.message(JSON.stringify({ type: "response", id, command: type, success: true, data }));
          });
        },
        close: () => Promise.resolve(),
      });
    },
    { connectMs: 1000, reconnectMs: 0, heartbeatMs: 0 },
  );
  return { client, asked };
}

const sessions = (...ids: string[]) => ids.map((sessionId) => ({ sessionId }));

async function read(client: Client, type: ListCommand, fields: object): Promise<string[]> {
  const found: string[] = [];
  for await (const page of pages(client, type, fields)) {
    found.push(page.map(({ sessionId }) => sessionId).join("+"));
  }
  return found;
}

Deno.test("pages: each cursor leads to the next page, until there is none", async () => {
  const answers = [
    { sessions: sessions("a", "b"), nextCursor: "1" },
    { sessions: [], nextCursor: "2" },
    { sessions: sessions("c") },
  ];
  const { client, asked } = await served(["catalogue"], answers);
  assertEquals(await read(client, "list_stored_sessions", { limit: 2, cwd: "/w", status: "free" }), [
    "a+b",
    "",
    "c",
  ]);
  assertEquals(asked, [
    { sort: "activity", limit: 2, cwd: "/w", status: "free" },
    { cursor: "1", limit: 2 },
    { cursor: "2", limit: 2 },
  ]);
  await client.close();
});

Deno.test("pages: nothing is read ahead", async () => {
  const { client, asked } = await served(["catalogue"], [{ sessions: sessions("a"), nextCursor: "1" }]);
  for await (const _ of pages(client, "list_sessions")) break;
  assertEquals(asked, [{ sort: "activity" }]);
  await client.close();
});

Deno.test("pages: an older server is sent no field that it does not know", async () => {
  for (
    const [type, sent] of [["list_sessions", {}], ["list_stored_sessions", { limit: 5, cwd: "/w" }]] as const
  ) {
    const { client, asked } = await served([], [{ sessions: sessions("a") }]);
    assertEquals(await read(client, type, { limit: 5, cwd: "/w", sort: "name" }), ["a"]);
    assertEquals(asked, [sent]);
    await client.close();
  }
});

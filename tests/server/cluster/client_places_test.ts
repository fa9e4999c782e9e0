// Where a client of a gateway goes on after a loss: which cursors are asked for, and what the client sees of it.
import { assertEquals } from "@std/assert";
import { ClientPlaces } from "../../../src/server/cluster/gateway/client_places.ts";
import { at, type Json } from "../../support/base/json.ts";

const FIELDS = { updates: "delta" };

/** An answer to `subscribe` for one session. */
const started = (mode: string, epoch: string, seq: number): string =>
  `{"id":"1","type":"response","command":"subscribe","success":true,"data":${
    JSON.stringify({ mode, epoch, seq })
  }}`;

/** An answer to `subscribe` for all. */
const startedAll = (sessions: Json): string =>
  `{"id":"1","type":"response","command":"subscribe","success":true,"data":${JSON.stringify({ sessions })}}`;

const refused = (code: string): string =>
  `{"id":"1","type":"response","command":"subscribe","success":false,"code":"${code}"}`;

const serverEvent = (type: string, data: Json): string => JSON.stringify({ type, data });

class Client {
  readonly seen: Json[] = [];
  readonly places = new ClientPlaces((text) => this.seen.push(JSON.parse(text)));
  /** The subscriptions that were asked for and not answered. */
  asked: { command: Json; answer: (text: string) => void }[] = [];

  /** A message of the other node, as the link passes it on. */
  hears(type: string, data: Json): void {
    const text = serverEvent(type, data);
    if (this.places.serverEvent(type, text)) this.seen.push(JSON.parse(text));
  }

  event(sessionId: string, seq: number): boolean {
    return this.places.event(sessionId, seq, "");
  }

  lose(): void {
    this.places.over();
    this.asked = [];
  }

  reopen(): void {
    this.places.again((command, done) => {
      this.asked.push({ command: JSON.parse(JSON.stringify(command)), answer: done });
    });
  }

  answer(text: string): void {
    this.asked.shift()?.answer(text);
  }

  /** What a case looks at of each message. */
  get told(): Json[] {
    return this.seen.map((message) =>
      at(message, "type") === "lagged"
        ? [
          "lagged",
          at(message, "sessionId") ?? "",
          at(message, "epoch") ?? "",
          at(message, "afterSeq") ?? "",
        ]
        : [at(message, "type") ?? "", at(message, "data", "sessionId") ?? ""]
    );
  }
}

function subscribed(seq = 41): Client {
  const client = new Client();
  client.places.begin("a", FIELDS, started("live", "old", seq - 1));
  client.event("a", seq);
  return client;
}

Deno.test("client places: the end of an epoch is `lagged` in that epoch, and `session_resumed` follows it", () => {
  const client = subscribed();
  client.lose();
  client.reopen();
  assertEquals(client.asked.map(({ command }) => command), [
    { type: "subscribe", ...FIELDS, from: { epoch: "old", seq: 41 }, sessionId: "a" },
  ]);
  client.hears("session_resumed", { sessionId: "a", epoch: "new" });
  assertEquals(client.told, []);
  client.answer(started("snapshot", "new", 3));
  assertEquals(client.told, [["lagged", "a", "old", 41], ["session_resumed", "a"]]);
  // Until the client asks for the state it gets nothing, and then it goes on in the new epoch.
  assertEquals(client.event("a", 4), false);
  client.places.begin("a", FIELDS, started("snapshot", "new", 4));
  assertEquals(client.event("a", 5), true);
});

Deno.test("client places: the same with `*`, and for what came past the virtual connection", () => {
  const client = new Client();
  client.places.beginAll({}, startedAll({ a: { mode: "live", epoch: "old", seq: 7 } }));
  client.lose();
  // The news of the node that is back comes before the virtual connection to it.
  assertEquals(client.places.holdsBack("a", serverEvent("session_resumed", { sessionId: "a" })), true);
  client.reopen();
  client.answer(startedAll({ a: { mode: "snapshot", epoch: "new", seq: 0 } }));
  assertEquals(client.told, [["lagged", "a", "old", 7], ["session_resumed", "a"]]);
  assertEquals(client.places.holdsBack("a", "later"), false);
});

Deno.test("client places: a replay sends nothing but what was held back, once", () => {
  const client = subscribed();
  client.lose();
  client.reopen();
  client.hears("session_resumed", { sessionId: "a", epoch: "old" });
  client.lose();
  client.reopen();
  client.answer(started("replay", "old", 50));
  assertEquals(client.told, [["session_resumed", "a"]]);
  assertEquals(client.event("a", 42), true);
});

Deno.test("client places: another event of the session, or the end of the subscription, holds nothing back", () => {
  for (const end of ["crashed", "unsubscribed"]) {
    const client = subscribed();
    client.lose();
    client.reopen();
    client.hears("session_resumed", { sessionId: "a", epoch: "new" });
    if (end === "crashed") client.hears("session_crashed", { sessionId: "a", epoch: "newer" });
    else client.places.end("a");
    assertEquals(client.told[0], ["session_resumed", "a"], end);
  }
});

Deno.test("client places: a session that was parked goes on from its own number", () => {
  const client = subscribed();
  client.hears("session_parked", { sessionId: "a" });
  client.hears("session_resumed", { sessionId: "a", epoch: "old" });
  client.lose();
  client.reopen();
  assertEquals(at(client.asked[0]?.command, "from"), { epoch: "old", seq: 41 });
});

Deno.test("client places: a session that is gone is deleted, and another refusal is the client's to learn", () => {
  const answers: readonly [string, Json[]][] = [
    ["session_not_found", [["session_deleted", "a"]]],
    ["session_limit", [["lagged", "a", "old", 41]]],
  ];
  for (const [code, told] of answers) {
    const client = subscribed();
    client.lose();
    client.reopen();
    client.answer(refused(code));
    assertEquals(client.told, told);
  }
  const all = new Client();
  all.places.beginAll({}, startedAll({ a: { mode: "live", epoch: "old", seq: 7 } }));
  all.lose();
  all.reopen();
  all.answer(refused("internal"));
  assertEquals(all.told, [["lagged", "a", "old", 7]]);
});

Deno.test("client places: a loss amid a replay goes on from the last event of it, not from its end", () => {
  const one = new Client();
  one.places.begin("a", FIELDS, started("replay", "old", 50), { epoch: "old", seq: 41 });
  const all = new Client();
  const from = { a: { epoch: "old", seq: 41 } };
  all.places.beginAll({}, startedAll({ a: { mode: "replay", epoch: "old", seq: 50 } }), from);
  for (const client of [one, all]) {
    for (const seq of [41, 42]) {
      if (seq > 41) client.event("a", seq);
      client.lose();
      client.reopen();
      const asked = at(client.asked[0]?.command, "from") ?? null;
      const cursor = client === one ? asked : at(asked, "sessions", "a");
      assertEquals(cursor, { epoch: "old", seq });
    }
  }
});

Deno.test("client places: a session that counts anew does not go on by numbers that are equal by chance", () => {
  for (const seq of [7, 9]) {
    const client = new Client();
    client.places.beginAll({}, startedAll({}));
    client.hears("session_created", { sessionId: "a" });
    // Events of a session that began meanwhile name no epoch.
    client.event("a", 7);
    client.lose();
    client.reopen();
    client.answer(startedAll({ a: { mode: "live", epoch: "new", seq } }));
    // In an epoch that no session has, the client gets the state.
    assertEquals(client.told, [["session_created", "a"], ["lagged", "a", "unknown", 7]]);
  }
});

Deno.test("client places: a session that crashed is in its new epoch, also before it is resumed", () => {
  const client = new Client();
  client.places.beginAll({}, startedAll({ a: { mode: "live", epoch: "old", seq: 7 } }));
  client.hears("session_crashed", { sessionId: "a", status: "parked", epoch: "new" });
  client.lose();
  client.reopen();
  assertEquals(at(client.asked[0]?.command, "from", "sessions"), { a: { epoch: "new", seq: 0 } });
  // The node was lost too, so the session counts anew once more.
  client.answer(startedAll({ a: { mode: "snapshot", epoch: "newest", seq: 3 } }));
  assertEquals(client.told, [["session_crashed", "a"], ["lagged", "a", "new", 0]]);
});

Deno.test("client places: a loss right after session_resumed asks from the first event of that epoch", () => {
  const client = subscribed();
  client.hears("session_resumed", { sessionId: "a", epoch: "new" });
  client.lose();
  client.reopen();
  assertEquals(at(client.asked[0]?.command, "from"), { epoch: "new", seq: 0 });
  // The node has kept all of that epoch, or gives the state.
  client.answer(started("replay", "new", 2));
  assertEquals([client.event("a", 1), client.event("a", 2)], [true, true]);
  client.lose();
  client.reopen();
  client.answer(started("snapshot", "new", 9));
  assertEquals(client.told, [["session_resumed", "a"], ["lagged", "a", "new", 2]]);
});

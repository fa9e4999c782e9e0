// A client's way to another node, over a real virtual connection whose other end the test plays.
import { assertEquals } from "@std/assert";
import { READ_AHEAD_BYTES } from "../../../src/governor/limits.ts";
import { type Command, specOf } from "../../../src/protocol/schema/commands.ts";
import { NodeLink } from "../../../src/server/cluster/gateway/node_link.ts";
import { Channel, type ChannelEvents } from "../../../src/server/cluster/wire/channel.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { at } from "../../support/base/json.ts";
import { connectionOver, FakePeer } from "../router/fakes.ts";

class Bench {
  readonly clock = new FakeClock();
  readonly peer: FakePeer;
  readonly connection;
  readonly link: NodeLink;
  /** What the other node has got and not taken. */
  readonly untaken: string[] = [];
  readonly got: string[] = [];
  lives = true;
  /** How often the link said that no command waits. */
  settled = 0;
  #near: Channel | undefined;
  #far: Channel | undefined;

  constructor(waits: boolean) {
    this.peer = new FakePeer(waits);
    this.connection = connectionOver(this.peer);
    this.link = new NodeLink({
      connection: this.connection,
      node: "b",
      ownIds: "own-",
      lives: () => this.lives,
      open: (events) => this.lives ? this.#open(events) : undefined,
      ownerOf: () => "b",
      foreign: () => {},
      endClient: () => {},
      answered: () => {},
      settled: () => this.settled++,
    });
  }

  #open(events: ChannelEvents): Channel {
    const parts = { clock: this.clock, soon: queueMicrotask, frameBytes: 1024 * 1024 };
    const far = new Channel({ ...parts, transmit: (frame) => near.receive(frame) }, {
      onText: (text) => {
        this.got.push(text);
        this.untaken.push(text);
      },
      onDrain: () => {},
      onEnd: () => {},
    });
    const near = new Channel({ ...parts, transmit: (frame) => far.receive(frame) }, events);
    [this.#near, this.#far] = [near, far];
    far.send('{"type":"server_ready"}');
    return near;
  }

  /** Sends a command of that many characters. */
  rename(id: string, chars = 1): void {
    const command: Command = { type: "set_session_name", id, sessionId: "s", name: "n".repeat(chars) };
    this.link.command(JSON.stringify(command), command, specOf(command.type));
  }

  /** The other node takes all that it has, and what follows at once. */
  async takes(): Promise<void> {
    while (this.untaken.length > 0) {
      for (const _ of this.untaken.splice(0)) this.#far?.taken();
      await this.clock.advance(30);
    }
  }

  answers(id: string): void {
    this.#far?.send(
      `{"id":"${id}","type":"response","command":"set_session_name","success":true,"protocolVersion":"1.0","sessionId":"s","data":{}}`,
    );
  }

  sends(text: string): void {
    this.#far?.send(text);
  }

  /** Answers the last command, which is the link's own. */
  answersOwn(data: string): void {
    this.sends(
      `{"id":"${
        this.ids.at(-1)
      }","type":"response","command":"subscribe","success":true,"protocolVersion":"1.0","sessionId":"s","data":${data}}`,
    );
  }

  lose(): void {
    this.#near?.lose("lost");
  }

  /** Ids that have reached the other node. */
  get ids(): string[] {
    return this.got.map((text) => String(at(JSON.parse(text), "id")));
  }

  /** Codes of the answers that the client has. */
  get codes(): string[] {
    return this.peer.sent.map((text) => JSON.parse(text)).filter((one) => at(one, "type") === "response")
      .map((one) => `${at(one, "id")}:${at(one, "success") === true ? "ok" : at(one, "code")}`);
  }

  end(): void {
    this.link.close();
    this.connection.closed();
  }
}

const FULL = 300 * 1024;

Deno.test("node link: a client of stdio waits where a socket is refused, in order, and is not read on", async () => {
  const socket = new Bench(false);
  socket.rename("1", FULL);
  socket.rename("2");
  await turn();
  assertEquals(socket.codes, ["2:overloaded"]);
  socket.end();
  const bench = new Bench(true);
  for (const id of ["1", "2", "3"]) bench.rename(id, FULL);
  bench.rename("4");
  // What stops a run waits for nothing.
  const abort: Command = { type: "abort", id: "stop", sessionId: "s" };
  bench.link.command(JSON.stringify(abort), abort, specOf("abort"));
  await turn();
  assertEquals([bench.ids, bench.codes, bench.connection.writable], [["1", "stop"], [], true]);
  bench.rename("5", READ_AHEAD_BYTES);
  assertEquals(bench.connection.writable, false);
  await bench.takes();
  assertEquals([bench.ids, bench.connection.writable], [["1", "stop", "2", "3", "4", "5"], true]);
  for (const id of ["1", "2", "3", "4", "5"]) bench.answers(id);
  await turn();
  assertEquals(bench.codes, ["1:ok", "2:ok", "3:ok", "4:ok", "5:ok"]);
  bench.end();
});

Deno.test("node link: what waited when the way was lost was never sent, and goes over the next one", async () => {
  for (const lives of [true, false]) {
    const bench = new Bench(true);
    for (const id of ["1", "2"]) bench.rename(id, FULL);
    await turn();
    bench.lives = lives;
    bench.lose();
    await turn();
    assertEquals(bench.codes, lives ? ["1:outcome_unknown"] : ["1:outcome_unknown", "2:node_unavailable"]);
    assertEquals([bench.ids, bench.connection.writable], [lives ? ["1", "2"] : ["1"], true]);
    bench.end();
  }
});

Deno.test("node link: a silent node gets no further command, and may still answer earlier ones", async () => {
  const bench = new Bench(false);
  bench.rename("1");
  await turn();
  bench.lives = false;
  bench.rename("2");
  bench.answers("1");
  await turn();
  assertEquals(bench.codes, ["2:node_unavailable", "1:ok"]);
  bench.lives = true;
  bench.rename("3");
  await turn();
  assertEquals(bench.ids, ["1", "3"]);
  bench.end();
});

Deno.test("node link: a way that is lost amid a replay is asked again from where the client is", async () => {
  const bench = new Bench(false);
  const from = { epoch: "e", seq: 3 };
  const command: Command = { type: "subscribe", id: "1", sessionId: "s", from };
  bench.link.command(JSON.stringify(command), command, specOf(command.type));
  await turn();
  bench.sends(
    `{"id":"1","type":"response","command":"subscribe","success":true,"protocolVersion":"1.0","sessionId":"s","data":{"mode":"replay","epoch":"e","seq":9}}`,
  );
  await turn();
  bench.lose();
  await turn();
  bench.answersOwn('{"mode":"replay","epoch":"e","seq":9}');
  bench.sends('{"type":"event","sessionId":"s","seq":4,"event":{"type":"turn_start"}}');
  await turn();
  bench.lose();
  await turn();
  const asked = bench.got.map((text) => at(JSON.parse(text), "from"));
  assertEquals(asked, [from, from, { epoch: "e", seq: 4 }]);
  bench.end();
});

Deno.test("node link: when this node ends, each command that waits gets its answer", async () => {
  const bench = new Bench(true);
  bench.rename("1", FULL);
  bench.rename("2");
  const read: Command = { type: "get_state", id: "read", sessionId: "s" };
  bench.link.command(JSON.stringify(read), read, specOf("get_state"));
  const abort: Command = { type: "abort", id: "stop", sessionId: "s" };
  bench.link.command(JSON.stringify(abort), abort, specOf("abort"));
  await turn();
  assertEquals([bench.link.waits, bench.settled], [true, 0]);
  bench.link.farewell();
  const answers = ["1:outcome_unknown", "stop:outcome_unknown", "2:shutting_down", "read:shutting_down"];
  assertEquals([bench.codes, bench.link.waits], [answers, false]);
  // An answer that comes after all is not a second one.
  bench.answers("1");
  await turn();
  assertEquals(bench.codes, answers);
  bench.end();
});

Deno.test("node link: says when the last answer has come", async () => {
  const bench = new Bench(false);
  for (const id of ["1", "2"]) bench.rename(id);
  await turn();
  bench.answers("1");
  await turn();
  assertEquals([bench.link.waits, bench.settled], [true, 0]);
  bench.answers("2");
  await turn();
  assertEquals([bench.link.waits, bench.settled, bench.codes], [false, 1, ["1:ok", "2:ok"]]);
  bench.end();
});

// The way of a prompt and the way of an event, as CONTRIBUTING.md tells them, against the real calls: which files, in
// which order, and how many frames. Code only between the router and the handler; what the test brings is left out.
import { assert, assertEquals } from "@std/assert";
import { SendQueue } from "../../src/ipc/send_queue.ts";
import { Peer, random, rest, World } from "./world.ts";
import { Script } from "./script.ts";

const ROOT = new URL("../../", import.meta.url).href;
/** Enough for the longest way. */
const DEPTH = 200;

/** The source files and functions on the stack now, outermost first. */
function frames(): string[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = limit;
  return stack.split("\n").slice(1).map((line) => line.trim().replace(/^at (?:async )?/, ""))
    .filter((line) => line.includes(`${ROOT}src/`)).reverse();
}

/** Each file on the way once, in the order of its first frame. */
function filesOf(way: readonly string[]): string[] {
  return [
    ...new Set(way.map((line) => line.slice(line.indexOf(ROOT) + ROOT.length).replace(/:\d+:\d+\)?$/, ""))),
  ];
}

/** The files of a section of CONTRIBUTING.md, in the order of its steps. */
async function told(heading: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("CONTRIBUTING.md", ROOT));
  const section = text.split(`\n### ${heading}\n`)[1]?.split(/\n##/)[0] ?? "";
  assert(section.trim() !== "", `CONTRIBUTING.md has no section "${heading}"`);
  const steps = section.split("\n").filter((line) => /^\d+\. /.test(line));
  assert(steps.length <= 10, `"${heading}" has ${steps.length} steps, 10 at most`);
  return [...new Set(steps.flatMap((step) => step.match(/`src\/[\w/]+\.ts`/g) ?? []))].map((name) =>
    name.slice(1, -1)
  );
}

/** A live session, and a client that watches it. */
async function live(over: object = {}) {
  const script = new Script(random(1));
  const world = new World(Object.assign(script.port(), over), {});
  const peer = new Peer();
  const connection = world.connect(peer);
  world.send(connection, { type: "create_session", sessionId: "s" });
  await rest();
  world.send(connection, { type: "subscribe", sessionId: "s" });
  await rest();
  return { world, peer, connection, script };
}

Deno.test("a prompt's way: the files of CONTRIBUTING.md in their order, in at most 20 frames and 13 files", async () => {
  let way: string[] = [];
  const { world, connection } = await live({
    externalWrite: () => undefined,
    prompt: () => {
      way = frames();
      throw new Error("far enough");
    },
  });
  world.send(connection, { id: "1", type: "prompt", sessionId: "s", message: "hi" });
  await rest();
  world.close();
  const files = filesOf(way);
  assertEquals(files, await told("A prompt's way"));
  assert(way.length <= 20 && files.length <= 13, `${way.length} frames:\n${way.join("\n")}`);
});

Deno.test("an event's way: the files of CONTRIBUTING.md in their order, in at most 12 frames", async () => {
  let into: string[] = [];
  let out: string[] = [];
  const { sendEvent } = SendQueue.prototype;
  // Before the world is built: the worker binds the method.
  SendQueue.prototype.sendEvent = function (this: SendQueue, ...args) {
    sendEvent.apply(this, args);
    into = [...frames(), `SendQueue.sendEvent (${ROOT}src/ipc/send_queue.ts:1:1)`];
  };
  const { world, peer, script } = await live();
  const { send } = peer;
  peer.send = (text) => {
    out = frames();
    send.call(peer, text);
  };
  world.emit(script.next());
  SendQueue.prototype.sendEvent = sendEvent;
  await rest();
  await world.clock.advance(10);
  world.close();
  assertEquals(filesOf([...into, ...out]), await told("An event's way"));
  const way = [...into, "---", ...out].join("\n");
  assert(into.length + out.length <= 12, `${into.length} and ${out.length} frames:\n${way}`);
});

// Content that providers refuse, with the request and all later ones: bad images, blank tool results, results without
// content. It is refused or mended before it is stored, and a session that holds some already goes on.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, isObject, type Json, type JsonObject, stringAt } from "../../support/base/json.ts";
import { calls, Gate, text } from "../../support/model/model_server.ts";
import { ANTHROPIC, OPENAI } from "../../support/model/model_server.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const image = (data: string, mimeType = "image/png") => ({ type: "image", data, mimeType });
const PROVIDERS = [OPENAI, ANTHROPIC];

const TOOL = `export default function (pi) {
  const answers = {
    blank: { content: [{ type: "text", text: "\\r\\n" }], details: {} },
    empty: { content: [], details: {} },
    missing: { details: {} },
    image: { content: [{ type: "image", data: "${
  btoa("<svg/>".repeat(9))
}", mimeType: "image/svg+xml" }], details: {} },
    label: { content: [{ type: "image", data: "${PNG}", mimeType: "image/jpeg" }], details: {} },
    kept: { content: [{ type: "text", text: " kept\\n" }], details: {} },
  };
  pi.registerTool({
    name: "odd", label: "odd", description: "d",
    parameters: { type: "object", properties: { kind: { type: "string" } }, required: ["kind"] },
    async execute(_id, { kind }) { if (kind === "throws") throw new Error(" "); return answers[kind]; },
  });
}`;

const test = shared([], (bench) => bench.home.extension("odd", TOOL));

/** Every text and every image of a request's messages. */
function contentOf(body: JsonObject): { texts: string[]; images: string[] } {
  const texts: string[] = [];
  const images: string[] = [];
  const walk = (value: Json | undefined): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (!isObject(value)) return;
    if (typeof value.content === "string") texts.push(value.content);
    if (value.type === "text") texts.push(String(value.text));
    if (value.type === "image_url") {
      images.push(stringAt(value, "image_url", "url").slice(5).replace(";base64,", " "));
    }
    if (value.type === "image") {
      images.push(`${stringAt(value, "source", "media_type")} ${stringAt(value, "source", "data")}`);
    }
    Object.values(value).forEach(walk);
  };
  walk(body.messages);
  return { texts, images };
}

function assertTaken(bench: Bench, marker: string): { texts: string[]; images: string[] } {
  const last = bench.model.requests.findLast(({ body }) => JSON.stringify(body).includes(marker));
  assert(last);
  const content = contentOf(last.body);
  for (const each of content.texts) assert(/\S/.test(each), "a blank text was sent");
  for (const each of content.images) assertEquals(each, `image/png ${PNG}`);
  return content;
}

test("images that providers refuse are refused in prompt, steer and follow_up", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const talk = bench.name("talk");
  const gate = new Gate();
  bench.model.script(talk, text(["a", "b"], { gate }));
  const run = settled(wire, id, talk);
  await bench.model.request(talk);
  const bad = [
    image("!!!"),
    image(btoa("<html></html>".repeat(5))),
    image(btoa("<svg/>".repeat(9)), "image/svg+xml"),
  ];
  for (const type of ["steer", "follow_up", "prompt"]) {
    for (const one of bad) {
      const command = { type, sessionId: id, message: "look", images: [image(PNG), one] };
      const more = type === "prompt" ? { streamingBehavior: "steer" } : {};
      assertStringIncludes(
        String((await wire.refused("invalid_params", { ...command, ...more })).error),
        "images[1]",
      );
    }
  }
  gate.open();
  await run;
  for (const one of bad) {
    await wire.refused("invalid_params", { type: "prompt", sessionId: id, message: "look", images: [one] });
  }
  const marker = bench.name("later");
  await settled(wire, id, marker);
  assertEquals(assertTaken(bench, marker).images, []);
});

test("an image with a wrong label is sent with the right one", async (bench) => {
  const wire = await bench.connect();
  for (const provider of PROVIDERS) {
    const { id } = await bench.watched(wire, provider);
    const marker = bench.name("label");
    const images = [image(PNG, "image/jpeg"), image(`data:image/gif;base64,${PNG}`, "image/gif")];
    await wire.ok({ type: "prompt", sessionId: id, message: marker, images, waitFor: "settled" }, 30_000);
    assertEquals(assertTaken(bench, marker).images.length, 2);
  }
});

test("a message of blanks is refused", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  for (const type of ["prompt", "steer", "follow_up"]) {
    for (const message of [" ", "\r\n\t"]) {
      await wire.refused("invalid_params", { type, sessionId: id, message });
    }
  }
});

test("results of tools are stored so that every provider takes them", async (bench) => {
  const wire = await bench.connect();
  for (const provider of PROVIDERS) {
    const { id } = await bench.watched(wire, provider);
    for (const kind of ["blank", "empty", "missing", "image", "label", "kept", "throws"]) {
      const marker = bench.name(kind);
      bench.model.script(marker, calls([{ name: "odd", args: { kind } }]), text(["fine"]));
      const { text: said } = await settled(wire, id, marker);
      // On OpenAI's wire an image of a tool comes as a message of its own, without the marker.
      if (kind !== "label") assertEquals(said, "fine", kind);
      assertTaken(bench, marker);
      const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
      const result = arrayAt({ messages }, "messages").findLast((each) => at(each, "role") === "toolResult");
      const [block] = arrayAt(result, "content");
      const stored = at(block, "text") ?? at(block, "mimeType");
      if (kind === "kept") assertEquals(stored, " kept\n");
      else if (kind === "label") assertEquals(stored, "image/png");
      else if (kind === "image") assertStringIncludes(String(stored), "An image was left out");
      else assertEquals(stored, "(no output)", kind);
    }
  }
});

alone("a session whose file holds such content goes on", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id, info, cwd } = await bench.session(wire);
  await settled(wire, id, bench.name("first"));
  await wire.ok({ type: "delete_session", sessionId: id });
  const file = stringAt(info, "sessionInfo", "sessionFile");
  const lines = (await Deno.readTextFile(file)).trimEnd().split("\n").map((line) => JSON.parse(line));
  let parentId = lines.at(-1).id;
  const add = (message: JsonObject) => {
    const entry = {
      type: "message",
      id: `bad${lines.length}`,
      parentId,
      timestamp: lines.at(-1).timestamp,
      message,
    };
    lines.push(entry);
    parentId = entry.id;
  };
  const assistant = lines.findLast((line) => line.message?.role === "assistant").message;
  const result = { role: "toolResult", toolName: "bash", isError: false, timestamp: 1 };
  const call = (callId: string) => ({
    type: "toolCall",
    id: callId,
    name: "bash",
    arguments: { command: "true" },
  });
  add({
    role: "user",
    content: [image("!!!"), image(btoa("<svg/>".repeat(9)), "image/svg+xml")],
    timestamp: 1,
  });
  add({ ...assistant, content: [call("c1"), call("c2"), call("c3")], stopReason: "toolUse" });
  add({ ...result, toolCallId: "c1", content: [{ type: "text", text: "\r\n" }] });
  add({ ...result, toolCallId: "c2", content: [image("!!!")] });
  add({ ...result, toolCallId: "c3" });
  add({ ...assistant });
  const copy = `${cwd}/copy.jsonl`;
  await Deno.writeTextFile(copy, lines.map((line) => JSON.stringify(line) + "\n").join(""));
  const again = stringAt(await wire.ok({ type: "load_session", sessionPath: copy }, 60_000), "sessionId");
  for (const provider of PROVIDERS) {
    await wire.ok({ type: "set_model", sessionId: again, ...provider });
    const marker = bench.name("on");
    await settled(wire, again, marker);
    assert(assertTaken(bench, marker).texts.some((each) => each.includes("An image was left out")));
  }
});

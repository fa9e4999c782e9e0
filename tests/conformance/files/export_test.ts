// The page that export_html makes, opened in a real browser: no text of a session becomes script in it, neither with
// its policy nor without, and it shows long sessions. Left out where there is no Chromium.

import { assert, assertEquals } from "@std/assert";
import { findChromium } from "../../support/browser/chromium.ts";
import { inspect } from "../../support/browser/devtools.ts";
import { at, type JsonObject } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared, TARGET } from "../suite.ts";

const program = await findChromium();

const skipped = (name: string, _body: (bench: Bench) => Promise<void>): void => {
  const why = "no Chromium here, see apt-get install chromium";
  Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
};

const test = program === undefined ? skipped : shared();
const testAlone = program === undefined ? skipped : alone;

const LAST = "THE LAST ANSWER";
/** Script that says where it came from. */
const mark = (from: string): string => `window.ran=(window.ran||[]).concat('${from}')`;
const image = (from: string): string => `<img src=x onerror="${mark(from)}">`;

/** Markdown and HTML that try to run script. */
const hostile = (from: string): string =>
  [
    `[js](javascript:${mark(from)})`,
    `[mixed](JaVaScRiPt:${mark(from)})`,
    `[tab](java&#9;script:${mark(from)})`,
    `[entity](&#106;avascript:${mark(from)})`,
    `[control](\u0001javascript:${mark(from)})`,
    `[data](data:text/html,<script>opener.${mark(from)}</script>)`,
    `<javascript:${mark(from)}>`,
    `[ref][r1]\n\n[r1]: javascript:${mark(from)}`,
    `[quote](http://x.invalid/" onclick="${mark(from)})`,
    `![" onerror="${mark(from)}](http://127.0.0.1:9/x.png)`,
    `![x](x" onerror="${mark(from)})`,
    `![x](http://127.0.0.1:9/y.png "z\\" onerror=\\"${mark(from)}")`,
    `<script>${mark(from)}</script>`,
    `</script><script>${mark(from)}</script>`,
    image(from),
    `<svg onload="${mark(from)}"><script>${mark(from)}</script></svg>`,
    `<details open ontoggle="${mark(from)}">x</details>`,
    `<iframe srcdoc="<script>parent.${mark(from)}</script>"></iframe>`,
    `<a href="javascript:${mark(from)}">raw</a>`,
    `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${
      mark(from)
    }&gt;">`,
    `</textarea></template></style></title>${image(from)}`,
    `\`\`\`">${image(from)}\ncode ${image(from)}\n\`\`\``,
    `\`${image(from)}\``,
    `<base href="http://x.invalid/"><meta http-equiv="refresh" content="0;url=javascript:${mark(from)}">`,
  ].join("\n\n");

/** A session whose every field is hostile. */
function hostileEntries(): Entries {
  const entries = new Entries();
  entries.custom({ type: "session_info", name: `</title><script>${mark("name")}</script>${image("name")}` });
  entries.custom({ type: "model_change", provider: image("provider"), modelId: image("model") });
  entries.custom({ type: "thinking_level_change", thinkingLevel: image("level") });
  const picture = {
    type: "image",
    mimeType: `image/png" onerror="${mark("mime")}" x="`,
    data: `AA" onerror="1`,
  };
  const said = { role: "user", content: [{ type: "text", text: hostile("user") }, picture], timestamp: 1 };
  entries.custom({ type: "message", message: said });
  const tools: readonly (readonly [string, JsonObject])[] = [
    ["bash", { command: hostile("bash") }],
    ["read", { path: hostile("read"), offset: image("offset"), limit: image("limit") }],
    ["write", { path: `x"></script>${image("path")}.md`, content: hostile("write") }],
    ["edit", { path: `y">${image("path")}`, edits: [{ oldText: hostile("old"), newText: hostile("new") }] }],
    [`x">${image("tool")}`, { [`k">${image("key")}`]: hostile("argument") }],
  ];
  for (const [name, args] of tools) {
    const id = `c">${image("call")}`;
    entries.assistant(hostile("assistant"), { type: "toolCall", id, name, arguments: args });
    const content = [{ type: "text", text: hostile("result") }];
    const details = { diff: `+1 ${hostile("diff")}` };
    const result = {
      role: "toolResult",
      toolCallId: id,
      toolName: name,
      content,
      details,
      isError: false,
      timestamp: 3,
    };
    entries.custom({ type: "message", message: result });
  }
  const bash = {
    role: "bashExecution",
    command: hostile("!"),
    output: hostile("output"),
    exitCode: 1,
    timestamp: 4,
  };
  entries.custom({ type: "message", message: { ...bash, cancelled: false, truncated: false } });
  entries.custom({
    type: "custom_message",
    customType: image("type"),
    content: hostile("custom"),
    display: true,
  });
  entries.custom({ type: "branch_summary", fromId: "00000001", summary: hostile("summary") });
  const kept = entries.user("kept");
  entries.custom({
    type: "compaction",
    summary: hostile("compaction"),
    firstKeptEntryId: kept,
    tokensBefore: 5,
  });
  entries.label(entries.assistant(LAST), `l">${image("label")}`);
  return entries;
}

/** What the page says of itself after every link that is not an ordinary one was clicked. */
const LOOK = `(async () => {
  const odd = [...document.querySelectorAll("a[href]")].filter((a) => /script|data/i.test(a.protocol));
  for (const link of odd) { link.removeAttribute("target"); link.click(); }
  const handlers = [...document.querySelectorAll("*")].flatMap((element) =>
    [...element.attributes].filter(({ name, value }) => /^on/.test(name) && value.includes("ran")).map(({ value }) => value));
  const open = document.querySelector(".expandable, .compaction, .skill-invocation");
  open?.click();
  await new Promise((go) => setTimeout(go, 500));
  return {
    ran: window.ran ?? [],
    odd: odd.length,
    handlers: handlers.length,
    last: document.body.innerText.includes("${LAST}"),
    opened: open === null || open.classList.contains("expanded"),
    foreign: document.querySelectorAll("iframe, base, #messages script, #messages meta").length,
  };
})()`;

async function look(bench: Bench, html: string): Promise<unknown> {
  assert(program !== undefined);
  const file = `${bench.home.dir}/${bench.name("page")}.html`;
  await Deno.writeTextFile(file, html);
  return await inspect(program, `file://${file}`, LOOK);
}

const CALM = { ran: [], odd: 0, handlers: 0, last: true, opened: true, foreign: 0 };

const POLICY = /<meta http-equiv="Content-Security-Policy"[^>]*>/;
/** The first script of the page. */
const GUARD = /<script>[^]*?<\/script>/;

async function loaded(bench: Bench, wire: Wire, entries: Entries): Promise<string> {
  const name = bench.name("page");
  const cwd = await bench.home.folder(name);
  const { path } = await writeSession(`${cwd}/${name}.jsonl`, crypto.randomUUID(), cwd, entries.all);
  await wire.ok({ type: "load_session", sessionId: name, sessionPath: path }, 60_000);
  return await exported(wire, name);
}

async function exported(wire: Wire, sessionId: string): Promise<string> {
  const { path } = await wire.ok({ type: "export_html", sessionId }, 60_000);
  return await Deno.readTextFile(String(path));
}

test("export: no text of a session runs as script, by the policy and by the escaping, each alone", async (bench) => {
  const html = await loaded(bench, await bench.connect(), hostileEntries());
  assert(POLICY.test(html) && GUARD.test(html));
  assertEquals(await look(bench, html), CALM);
  assertEquals(await look(bench, html.replace(POLICY, "")), CALM);
  const unescaped = await look(bench, html.replace(GUARD, ""));
  assertEquals([at(unescaped, "ran"), at(unescaped, "last")], [[], true]);
});

test("export: what a client, a model and a tool say in a running session is text", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("export");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: `echo '${image("bash").replaceAll("'", "")}'` } }], [
      hostile("model"),
    ]),
    text([`${hostile("answer")}\n\n${LAST}`]),
  );
  await settled(wire, id, `${marker} ${hostile("client")}`);
  await wire.ok({ type: "set_session_name", sessionId: id, name: `</title>${image("name")}` });
  assertEquals(await look(bench, await exported(wire, id)), CALM);
});

testAlone("export: a session of 8,000 entries in one line is shown", async (bench) => {
  await bench.start();
  const entries = new Entries();
  for (let turn = 0; turn < 4_000; turn++) {
    entries.user(`question ${turn}`);
    entries.assistant(turn === 3_999 ? LAST : `answer ${turn}`);
  }
  const html = await loaded(bench, await bench.connect(), entries);
  const seen = await look(bench, html);
  assertEquals([at(seen, "last"), at(seen, "ran")], [true, []]);
});

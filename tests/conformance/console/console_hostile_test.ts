// Hostile text in the console, in a real Chromium: two hundred texts in every field that a model, a tool, an extension,
// a client or a file name fills. No script runs, no request leaves, no rule of the page's policy is needed to stop
// anything, and no page becomes wider than its window. Left out by name where there is no Chromium.

import { assert, assertEquals } from "@std/assert";
import {
  closeBrowser,
  HAS_CHROMIUM,
  hostileTraces,
  overflow,
  type Page,
  Person,
} from "../../support/browser/console_browser.ts";
import { installDialogs, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { HOSTILE } from "../../support/browser/hostile_texts.ts";
import type { Json, JsonObject } from "../../support/base/json.ts";
import { OPENAI, status, text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, shared, TARGET } from "../suite.ts";

/** An extension whose commands and tools are named and described in hostile words. */
const EXTENSION = `
const texts = ${JSON.stringify(HOSTILE)};
export default function (pi) {
  texts.forEach((text, n) => {
    pi.registerCommand("hostile" + n, { description: text.slice(0, 2000), handler: async () => {} });
    if (n < 60) pi.registerTool({
      name: "hostile_tool_" + n, label: text, description: text || "x",
      parameters: { type: "object", properties: {} },
      async execute() { throw new Error(text); },
    });
  });
}
`;

const case_ = shared([], async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  await bench.home.extension("hostile", EXTENSION);
  const file = `${bench.home.agentDir}/models.json`;
  const models = JSON.parse(await Deno.readTextFile(file));
  const own = models.providers[OPENAI.provider].models;
  for (const words of HOSTILE.slice(0, 60)) own.push({ ...own[0], id: words.slice(0, 200), name: words });
  await Deno.writeTextFile(file, JSON.stringify(models));
});
Deno.test.afterAll(closeBrowser);

/** A case, on a desk and on a phone; left out by name where there is no Chromium. */
function test(name: string, body: (bench: Bench, person: Person, token: string) => Promise<void>): void {
  if (!HAS_CHROMIUM) {
    const why = "no Chromium here, see apt-get install chromium";
    Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
    return;
  }
  case_(name, async (bench) => {
    await using person = await Person.make(
      `http://127.0.0.1:${(await bench.server.endpoint()).port}`,
      { width: 360, height: 740 },
    );
    await body(bench, person, await bench.server.token());
    assertEquals([person.left, person.wrong], [[], []]);
  });
}

/** Elements and attributes that nothing on the page may have. */
const FORBIDDEN = `(() => {
  const found = [];
  for (const element of document.querySelectorAll("#app *")) {
    const name = element.tagName.toLowerCase();
    if (/^(script|style|iframe|object|embed|link|base|meta|template|video|audio|foreignobject|use|animate|set)$/.test(name)) found.push(name);
    for (const { name: attribute, value } of element.attributes) {
      if (/^on|^srcset$|^srcdoc$|^ping$|^formaction$|^background$/.test(attribute)) found.push(name + " " + attribute);
      if (attribute === "src" && !/^data:image\\/(png|jpe?g|gif|webp);base64,|^blob:/.test(value)) found.push(name + " src " + value.slice(0, 80));
      if (attribute === "href" && !/^(#|https?:|mailto:)/.test(value)) found.push(name + " href " + value.slice(0, 80));
    }
  }
  return [...new Set(found)];
})()`;

/** Nothing on the page is what it must not be. */
async function assertHarmless(page: Page, where: string): Promise<void> {
  assertEquals(await hostileTraces(page), [], where);
  assertEquals(await page.evaluate(FORBIDDEN), [], where);
  assertEquals(await overflow(page), "", `${where} is wider than its window`);
}

/** Lets the page draw what has come; a tab in the background draws seldom. */
const drawn = (page: Page): Promise<unknown> =>
  page.evaluate(
    "new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); setTimeout(done, 100); })",
  );

async function sessionPage(person: Person, token: string, id: string): Promise<Page> {
  const page = await person.open(`${token}&to=/session/${encodeURIComponent(id)}`);
  await page.getByRole("log", { name: "Transcript" }).waitFor();
  return page;
}

/** Opens everything on the page that is folded. */
const UNFOLD =
  `document.querySelectorAll("main [aria-expanded=false]:not([aria-haspopup])").forEach((button) => button.click())`;

/** A transcript with that text in each of its fields. */
function transcriptOf(texts: readonly string[], cwd: string): JsonObject[] {
  const entries = new Entries();
  texts.forEach((words, n) => {
    const id = `call-${n}`;
    const tool = ["bash", "read", "edit", "write", words.slice(0, 60) || "x"][n % 5] ?? "bash";
    const args: JsonObject = {
      command: words,
      path: words,
      content: words,
      oldText: words,
      newText: `${words} `,
      [words]: words,
    };
    entries.user(words);
    entries.custom({
      type: "message",
      message: {
        role: "assistant",
        content: [
          { type: "thinking", thinking: words },
          { type: "text", text: words },
          { type: "toolCall", id, name: tool, arguments: args },
        ],
        api: "openai-completions",
        provider: words.slice(0, 60) || "x",
        model: words.slice(0, 60) || "x",
        usage: {
          input: 1,
          output: 1,
          cacheRead: 0,
          cacheWrite: 0,
          totalTokens: 2,
          cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 },
        },
        stopReason: "toolUse",
        timestamp: 1,
      },
    });
    entries.custom({
      type: "message",
      message: {
        role: "toolResult",
        toolCallId: id,
        toolName: tool,
        content: [{ type: "text", text: words }, {
          type: "image",
          mimeType: words.slice(0, 80),
          data: words,
        }],
        details: { diff: words, path: words },
        isError: n % 2 === 0,
        timestamp: 1,
      },
    });
    entries.custom({
      type: "message",
      message: {
        role: "bashExecution",
        command: words,
        output: words,
        exitCode: 1,
        cancelled: false,
        truncated: true,
        fullOutputPath: words,
        timestamp: 1,
      },
    });
    entries.custom({
      type: "custom_message",
      customType: words.slice(0, 60) || "x",
      content: words,
      display: true,
    });
  });
  entries.custom({
    type: "compaction",
    summary: texts.slice(0, 20).join("\n"),
    firstKeptEntryId: String(entries.all[0]?.id),
    tokensBefore: 1,
  });
  entries.user(`the end of ${cwd}`);
  entries.assistant("the end");
  return entries.all;
}

test(
  "hostile: a transcript of it, from its end to its beginning, with everything unfolded",
  async (bench, person, token) => {
    const wire = await bench.connect();
    const size = 35;
    for (let from = 0; from < HOSTILE.length; from += size) {
      const cwd = await bench.home.folder(bench.name("hostile"));
      const id = bench.name("hostile");
      const { path } = await writeSession(
        `${cwd}/s.jsonl`,
        id,
        cwd,
        transcriptOf(HOSTILE.slice(from, from + size), cwd),
      );
      await wire.ok({ type: "load_session", sessionId: id, sessionPath: path });
      const page = await sessionPage(person, token, id);
      await page.getByRole("article", { name: "Answer" }).last().getByText("the end").waitFor();
      const older = page.getByRole("button", { name: "Older messages", exact: true });
      for (let step = 0; step < 100 && await older.count() > 0; step++) {
        await page.evaluate(UNFOLD);
        await assertHarmless(page, `transcript from ${from}, step ${step}`);
        // A reader who is at the top comes to the button; one who is not yet there scrolls.
        await page.evaluate("document.querySelector('[role=log]').scrollTop = 0");
        await drawn(page);
        if (await older.count() > 0 && await older.isEnabled()) await older.dispatchEvent("click");
        await drawn(page);
      }
      await page.evaluate(UNFOLD);
      await drawn(page);
      await assertHarmless(page, `transcript from ${from}`);
      await page.getByRole("button", { name: "Tree" }).click();
      await page.getByRole("dialog").waitFor();
      await drawn(page);
      await assertHarmless(page, `tree from ${from}`);
      await page.close();
      await wire.ok({ type: "delete_session", sessionId: id });
    }
  },
);

test(
  "hostile: an answer that streams in, in small pieces, and errors of a model",
  async (bench, person, token) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const page = await sessionPage(person, token, id);
    const marker = bench.name("stream");
    for (let from = 0; from < HOSTILE.length; from += 20) {
      const texts = HOSTILE.slice(from, from + 20).map((words) => words.slice(0, 2000));
      const pieces = texts.flatMap((words) => `${words}\n\n`.match(/[^]{1,40}/gu) ?? []);
      bench.model.script(marker, text(pieces, { thinking: texts.join("\n") }));
      await wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
      await drawn(page);
      await assertHarmless(page, `stream from ${from}`);
    }
    for (const words of HOSTILE.filter((words) => words.length < 500).slice(0, 40)) {
      bench.model.script(marker, status(400, words));
      await wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
    }
    await drawn(page);
    await assertHarmless(page, "errors of a model");
  },
);

test("hostile: names of sessions, in every list and at the head", async (bench, person, token) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  let taken = 0;
  const rename = async (sessionId: string, words: string) => {
    const answer = await wire.request({ type: "set_session_name", sessionId, name: words.slice(0, 1000) });
    if (answer.success === true) taken++;
  };
  const page = await sessionPage(person, token, id);
  for (const words of HOSTILE) {
    await rename(id, words);
    await drawn(page);
    assertEquals(await overflow(page), "", `the head with the name ${words.slice(0, 80)}`);
  }
  await assertHarmless(page, page.url());
  await page.close();
  const list = await person.open(token);
  await list.getByRole("heading", { name: "Sessions" }).waitFor();
  // The list shows many at once; the elements that stand out would name the text.
  const ids = await Promise.all(
    Array.from({ length: 25 }, async () => (await bench.session(wire, { inMemory: true })).id),
  );
  for (let from = 0; from < HOSTILE.length; from += ids.length) {
    const texts = HOSTILE.slice(from, from + ids.length);
    await Promise.all(texts.map((words, n) => rename(ids[n] ?? id, words)));
    await drawn(list);
    await assertHarmless(list, `the list with the names from ${from}`);
  }
  assert(taken > 360, `only ${taken} names were taken`);
  for (const sessionId of ids) await wire.ok({ type: "delete_session", sessionId });
});

test("hostile: names of folders and first messages of stored sessions", async (bench, person, token) => {
  const wire = await bench.connect();
  const texts = HOSTILE.filter((words) => words.length < 200).slice(0, 60);
  for (const [n, words] of texts.entries()) {
    // What no file name may hold is left out.
    const name = words.replaceAll(/[/\0]|[\ud800-\udfff]/g, "").slice(0, 80).trim() || "x";
    const cwd = await bench.home.folder(`${name}-${n}`);
    const entries = new Entries();
    entries.user(words);
    entries.assistant(words);
    entries.custom({ type: "session_info", name: words });
    const folder = `${bench.home.agentDir}/sessions/--hostile--`;
    await writeSession(`${folder}/2025-01-01T00-00-00-000Z_${n}.jsonl`, `hostile-${n}`, cwd, entries.all);
    if (n < 30) {
      await wire.ok({ type: "create_session", sessionId: `in-folder-${n}`, cwd, inMemory: true }, 60_000);
    }
  }
  const page = await person.open(token);
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  await page.getByRole("button", { name: "Stored", exact: true }).click();
  await page.waitForLoadState("networkidle");
  await drawn(page);
  await assertHarmless(page, "stored sessions");
  await page.getByRole("button", { name: "All", exact: true }).click();
  await drawn(page);
  await assertHarmless(page, "all sessions");
  for (let n = 0; n < 30; n++) await wire.ok({ type: "delete_session", sessionId: `in-folder-${n}` });
});

/** Cancels what is asked in that session until its command has ended. */
async function cancelled(wire: Wire, sessionId: string, done: Promise<unknown>): Promise<void> {
  let over = false;
  void done.finally(() => over = true);
  await until(
    async () => {
      const { requests } = await wire.ok({ type: "list_pending_ui", sessionId }) as { requests?: Json[] };
      for (const request of Array.isArray(requests) ? requests : []) {
        const { requestId, method } = request as JsonObject;
        await wire.request({
          type: "extension_ui_response",
          sessionId,
          requestId: String(requestId),
          response: { method: String(method), cancelled: true },
        });
      }
      return over || undefined;
    },
    60_000,
    () => "the dialogs do not end",
  );
}

test("hostile: questions, notices, states and widgets of extensions", async (bench, person, token) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const page = await sessionPage(person, token, id);
  const inbox = await person.open(token, "/");
  await inbox.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /^Inbox/ }).click();
  for (let from = 0; from < HOSTILE.length; from += 15) {
    const texts = HOSTILE.slice(from, from + 15).map((words) =>
      words.slice(0, 3000).replaceAll(/[\ud800-\udfff]/g, "")
    );
    const calls: Json[][] = texts.flatMap((words): Json[][] => [
      ["notify", words, "error"],
      ["setStatus", words.slice(0, 50), words],
      ["setWidget", words.slice(0, 50), [words, words]],
      ["setTitle", words],
      ["select", words, [words, "b"]],
      ["confirm", words, words],
      ["input", words, words],
      ["editor", words, words],
    ]);
    const done = wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt(`h${from}.json`, calls, true),
    }, 90_000);
    await page.getByRole("button", { name: "Cancel" }).first().waitFor();
    for (const one of [page, inbox]) {
      await drawn(one);
      await assertHarmless(one, `${one.url()} from ${from}`);
    }
    await cancelled(wire, id, done);
  }
});

test("hostile: commands, tools, models and labels of tokens", async (bench, person, token) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  for (const words of HOSTILE.filter((words) => words.length < 100).slice(0, 40)) {
    await wire.request({ type: "mint_token", role: "observe", ttlMs: 600_000, label: words });
  }
  const page = await sessionPage(person, token, id);
  for (const typed of ["/", "/hostile", "/hostile1", "/hostile15", "/hostile20"]) {
    await page.getByRole("textbox", { name: "Message" }).fill(typed);
    await page.getByRole("listbox", { name: "Commands" }).waitFor();
    await assertHarmless(page, `commands at ${typed}`);
  }
  await page.getByRole("textbox", { name: "Message" }).fill("");
  await page.getByRole("button", { name: /^Settings/ }).click();
  await page.getByRole("dialog").waitFor();
  await page.waitForLoadState("networkidle");
  await drawn(page);
  await assertHarmless(page, "settings");
  await page.keyboard.press("Escape");
  for (const [path, opener] of [["", "New session"], ["server", "Mint a token"]] as const) {
    await page.goto(`${new URL(page.url()).origin}/#/${path}`);
    const open = page.getByRole("button", { name: opener });
    await open.waitFor();
    await drawn(page);
    await assertHarmless(page, `/${path}`);
    await open.click();
    await page.getByRole("dialog").waitFor();
    await drawn(page);
    await assertHarmless(page, opener);
    await page.keyboard.press("Escape");
  }
});

/** What a page would do that let hostile text in, without the parser and with it. */
const LETS_IN = `(() => {
  const add = (name, fields) => document.body.append(Object.assign(document.createElement(name), fields));
  add("img", { src: "https://evil.example/x.png" });
  add("style", { textContent: "@import 'https://evil.example/x.css'" });
  const link = Object.assign(document.createElement("a"), { href: "javascript:hostileRan=1" });
  document.body.append(link);
  link.click();
  const tries = [
    () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=hostileRan=1>"),
    () => document.body.setAttribute("onclick", "hostileRan=1"),
    () => add("iframe", { srcdoc: "<script>parent.hostileRan=1</script>" }),
    () => add("script", { textContent: "hostileRan=1" }),
  ];
  return tries.map((attempt) => { try { attempt(); return "taken"; } catch (error) { return error.name; } });
})()`;

test(
  "hostile: a page that let them in would be caught, and its policy would stop it",
  async (_bench, person, token) => {
    const page = await person.open(token);
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    assertEquals(await hostileTraces(page), []);
    assertEquals(await page.evaluate(LETS_IN), Array(4).fill("TypeError"));
    await page.waitForTimeout(500);
    const traces = await hostileTraces(page);
    for (const rule of ["img-src https://evil", "style-src", "script-src", "require-trusted-types-for"]) {
      const stopped = traces.some((trace) => trace.startsWith(`policy: ${rule}`));
      assert(stopped, `${rule}: ${JSON.stringify(traces).slice(0, 1000)}`);
    }
    assert(!traces.some((trace) => trace.startsWith("ran:")), JSON.stringify(traces).slice(0, 1000));
    // Elements that were added by hand are noticed as well.
    assert(JSON.stringify(await page.evaluate(FORBIDDEN.replace("#app *", "body *"))).includes("img src"));
    // The browser tells of requests, too, that the policy has stopped.
    assert(person.left.splice(0).length > 0);
  },
);

Deno.test("hostile: there are two hundred texts, and each is another", () => {
  assert(new Set(HOSTILE).size >= 200, String(new Set(HOSTILE).size));
});

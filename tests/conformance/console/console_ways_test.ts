// The console in a real Chromium: what a session is made with, what a list and a transcript show, the keyboard alone,
// every size of window, and a machine that sleeps while its connection is given up. Talking: console_test.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  axeFindings,
  closeBrowser,
  overflow,
  type Page,
  Person,
} from "../../support/browser/console_browser.ts";
import { uiPrompt } from "../../support/extensions/dialog_extension.ts";
import {
  arrayAt,
  at as valueAt,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { ANTHROPIC, calls, Gate, text } from "../../support/model/model_server.ts";
import { ENGINE } from "../../support/server/server_process.ts";
import { StoppableLine } from "../../support/network/stoppable_line.ts";
import { until } from "../../support/base/wait.ts";
import { answers, at, message, minted, openSession, prompt, test, testAlone } from "./console_stage.ts";

Deno.test.afterAll(closeBrowser);

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const DROP = `(() => {
  const bytes = Uint8Array.from(atob("${PNG}"), (unit) => unit.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
  const box = document.querySelector("#prompt");
  for (const type of ["dragover", "drop"]) {
    box.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }
})()`;

/** Keeps every chip that the top bar has shown. */
const KEEP_CHIPS = `globalThis.chips = new Set();
  new MutationObserver(() => {
    const chip = document.querySelector(".topbar .chip");
    if (chip !== null) chips.add(chip.innerText);
  }).observe(document, { childList: true, subtree: true, characterData: true });`;

/** Presses Tab until the element with that name has the focus. */
async function tabTo(page: Page, name: RegExp, back = false): Promise<void> {
  const passed: string[] = [];
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press(back ? "Shift+Tab" : "Tab");
    const words = String(
      await page.evaluate(
        "(() => { const at = document.activeElement; return [at.getAttribute('aria-label') ?? '', " +
          "at.labels?.[0]?.innerText ?? '', at.innerText ?? ''].join(' ').trim(); })()",
      ),
    );
    if (name.test(words)) return;
    passed.push(words.slice(0, 40));
  }
  throw new Error(`Tab leads to ${passed.join(" | ")}, and not to ${name}`);
}

test("console: a session is made with folder, model, level, tools and trust", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const cwd = await bench.home.folder("made-with-all");
    await Deno.mkdir(`${cwd}/.pi/prompts`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/.pi/prompts/of-the-folder.md`, "---\ndescription: Own\n---\nSay it");
    const page = await person.open(await minted(bench, { role: "admin" }));
    await page.getByRole("button", { name: "New session" }).click();
    const sheet = page.getByRole("dialog", { name: "New session" });
    await sheet.waitFor();
    // The tools are those of a session that is live, also of one that the page hears of only now.
    await bench.session(wire);
    await sheet.getByLabel("Folder", { exact: true }).fill(cwd);
    await sheet.getByLabel("Name").fill("Made with all");
    const model = `${ANTHROPIC.provider} / ${ANTHROPIC.modelId}`;
    await sheet.getByRole("option", { name: model }).waitFor({ state: "attached" });
    await sheet.getByLabel("Model").selectOption(model);
    const levels = await sheet.getByLabel("Thinking").getByRole("option").allInnerTexts();
    assertEquals(levels.includes("max"), ENGINE === "1.6", "the level of a newer pi");
    await sheet.getByLabel("Thinking").selectOption("high");
    await sheet.getByLabel("write", { exact: true }).uncheck();
    await sheet.getByLabel(/^Trust the folder/).check();
    await sheet.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "Made with all" }).waitFor();
    const sessions = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
    const made = objectAt(
      { made: sessions.find((one) => valueAt(one, "sessionName") === "Made with all") },
      "made",
    );
    const sessionId = stringAt(made, "sessionId");
    assertEquals(
      [made.cwd, valueAt(made, "model", "id"), made.thinkingLevel],
      [cwd, ANTHROPIC.modelId, "high"],
    );
    const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId }), "tools");
    const active = (name: string) =>
      tools.some((one) => valueAt(one, "name") === name && valueAt(one, "active") === true);
    assertEquals([active("write"), active("read")], [false, true]);
    const { commands } = await wire.ok({ type: "get_commands", sessionId });
    assert(JSON.stringify(commands).includes("of-the-folder"), "the folder's own template was loaded");
  }));

test("console: the list says what works, what waits, and each one's folder, model, cost and age", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect("admin");
    const [asking, working, idle] = [
      await bench.session(wire, { sessionName: "Has a question" }),
      await bench.session(wire, { sessionName: "Has work" }),
      await bench.session(wire, { sessionName: "Has a rest" }),
    ];
    const gate = new Gate();
    const marker = bench.name("works");
    bench.model.script(marker, text(["one ", "two"], { gate }));
    await wire.ok({ type: "prompt", sessionId: working.id, message: marker });
    await wire.ok({ type: "prompt", sessionId: idle.id, message: "hello", waitFor: "settled" }, 30_000);
    void wire.request({
      type: "prompt",
      sessionId: asking.id,
      message: uiPrompt("l.json", [["input", "Who?"]]),
    });
    const page = await person.open(await minted(bench, { role: "drive" }));
    const line = (group: string, name: string) =>
      page.getByRole("region", { name: group }).getByRole("listitem").filter({ hasText: name });
    await line("Wait for you", "Has a question").getByText("Waits for you").waitFor();
    await line("Working", "Has work").getByText("Works").waitFor();
    const rest = line("Idle", "Has a rest");
    await rest.waitFor();
    const words = await rest.innerText();
    const { usage } = await wire.ok({ type: "get_state", sessionId: idle.id });
    assert(numberAt({ usage }, "usage", "usd") > 0);
    for (const part of [/Idle/, new RegExp(idle.id), /gpt-scripted/, /\$0/, /now|\d+ ?s|sec/]) {
      assertMatch(words, part);
    }
    const search = page.getByRole("searchbox", { name: "Search sessions" });
    await search.fill("a question");
    await line("Working", "Has work").waitFor({ state: "detached" });
    await line("Wait for you", "Has a question").waitFor();
    await search.fill("");
    await page.getByRole("button", { name: "Parked", exact: true }).click();
    await rest.waitFor({ state: "detached" });
    gate.open();
    await wire.ok({ type: "abort", sessionId: asking.id });
  }));

test("console: thinking is folded, code is coloured, an edit shows its difference, a picture is dropped", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire);
    await Deno.writeTextFile(`${cwd}/poem.txt`, "roses are red\nviolets are blue\n");
    const marker = bench.name("shows");
    bench.model.script(
      marker,
      calls([{
        name: "edit",
        args: { path: "poem.txt", edits: [{ oldText: "roses are red", newText: "roses are white" }] },
      }]),
      text(["Done:\n\n```ts\nconst answer = 42;\n```\n"], { thinking: "a hidden thought" }),
    );
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await page.evaluate(DROP);
    await page.getByRole("list", { name: "Pictures to send" }).getByRole("img", { name: "dropped.png" })
      .waitFor();
    await prompt(page, marker);
    assertEquals((await bench.model.request(marker)).images, 1);
    const edit = page.getByRole("group", { name: "Tool edit" });
    await edit.getByText("roses are red").waitFor();
    await edit.getByText("roses are white").waitFor();
    assertMatch(await edit.innerText(), /removed:[^]*roses are red[^]*added:[^]*roses are white/);
    const code = answers(page).locator("pre code").last();
    await code.getByText("const").waitFor();
    assert(await code.locator("span").count() > 0, "the code has no colours");
    assertEquals((await Deno.readTextFile(`${cwd}/poem.txt`)).split("\n")[0], "roses are white");
    const thought = page.getByText("a hidden thought");
    assertEquals(await thought.count(), 0);
    await page.getByRole("group", { name: "Thinking" }).getByRole("button").press("Enter");
    await thought.waitFor();
    await page.getByRole("meter", { name: /^Context: [\d.,]+k? of [\d.,]+k? tokens$/ }).waitFor();
  }));

test("console: with the keyboard alone a person makes a session, talks, answers, and finds every page", (bench) =>
  at(bench, async (person) => {
    const page = await person.open(await minted(bench, { role: "admin" }));
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await tabTo(page, /New session/);
    await page.keyboard.press("Enter");
    await tabTo(page, /Name/);
    await page.keyboard.type("By keys alone");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "By keys alone" }).waitFor();
    await message(page).waitFor();
    await tabTo(page, /^Message/);
    await page.keyboard.type("hello by key");
    await page.keyboard.press("Enter");
    await answers(page).getByText("echo: hello by key").waitFor();
    await page.keyboard.type(uiPrompt("k.json", [["select", "Which way?", ["left", "right"]]]));
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Question: Which way?" }).waitFor();
    await tabTo(page, /^right/, true);
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Question: Which way?" }).waitFor({ state: "detached" });
    await tabTo(page, /More actions/);
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Rename" }).waitFor();
    // Escape closes it from the button too, where the focus is until the list has been drawn.
    await page.getByRole("button", { name: "More actions" }).focus();
    await page.keyboard.press("Escape");
    await page.getByRole("menuitem", { name: "Rename" }).waitFor({ state: "detached" });
    for (
      const [link, heading] of [[/^Inbox/, "Inbox"], [/^Server/, "Server"], [
        /^Sessions$/,
        "Sessions",
      ]] as const
    ) {
      await tabTo(page, link);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: heading, exact: true }).waitFor();
      // A new page takes the focus, once it has been drawn.
      const landed = async () => await page.evaluate("document.activeElement.id") === "main" || undefined;
      await until(landed, 10_000, () => "the focus in the new page");
    }
  }));

test("console: what a token allows is shown once it is known, and in whole on the smallest phone", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const tokens: [JsonObject, string[]][] = [
    [{ role: "admin" }, []],
    [{ role: "drive" }, ["drive"]],
    [{ role: "observe", sessions: [id] }, ["observe, some sessions"]],
  ];
  for (const [fields, chips] of tokens) {
    await at(bench, async (person) => {
      const page = await person.open();
      await page.addInitScript(KEEP_CHIPS);
      await page.goto(`${page.url()}#token=${await minted(bench, fields)}`);
      // A new fragment alone loads nothing.
      await page.reload();
      await page.locator("a.linemain").first().waitFor();
      assertEquals(await page.evaluate("[...chips]"), chips);
      assertEquals(await overflow(page), "", JSON.stringify(fields));
    }, { width: 360, height: 640 });
  }
});

test("console: no page overflows from 360 px to 4K, and nothing moves with reduced motion", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { sessionName: "Of every size ".repeat(6) });
  const marker = bench.name("wide");
  bench.model.script(
    marker,
    text([`| a | b |\n|---|---|\n| ${"wide ".repeat(60)} | x |\n\n${"W".repeat(300)}`]),
  );
  await wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 30_000);
  const token = await bench.server.token();
  for (const [width, height] of [[360, 640], [768, 1024], [1920, 1080], [3840, 2160]] as const) {
    await at(bench, async (person) => {
      const page = await person.open(token);
      for (const path of ["", "inbox", "server", `session/${id}`]) {
        await page.goto(`${new URL(page.url()).origin}/#/${path}`);
        await page.getByRole("main").waitFor();
        if (path.startsWith("session")) await answers(page).last().waitFor();
        assertEquals(await overflow(page), "", `${width} px, /${path}`);
        if (width === 3840) assertEquals(await axeFindings(page), [], `4K, /${path}`);
      }
      const moving =
        "document.getAnimations().length + ' ' + getComputedStyle(document.body).transitionProperty";
      assertMatch(String(await page.evaluate(moving)), /^0 (?:none|all)$/);
    }, { width, height });
  }
});

testAlone(
  "console: a machine that sleeps until the server gave it up goes on where it was",
  async (bench) => {
    await bench.start(["--peer-silent-ms", "2000"]);
    const { port } = await bench.server.endpoint();
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    await using line = new StoppableLine(port);
    await using person = await Person.make(`http://127.0.0.1:${line.port}`);
    const page = await openSession(person, await bench.server.token(), id);
    await prompt(page, "before the sleep");
    await answers(page).getByText("echo: before the sleep").waitFor();
    await message(page).fill("half a senten");
    line.freeze();
    const connections = async () => numberAt(objectAt(await wire.ok({ type: "get_metrics" })), "connections");
    await until(
      async () => await connections() === 1 || undefined,
      60_000,
      () => "the server gives the peer up",
    );
    await wire.ok({ type: "prompt", sessionId: id, message: "while it slept", waitFor: "settled" }, 30_000);
    line.go();
    await answers(page).getByText("echo: while it slept").waitFor();
    assertEquals(await answers(page).count(), 2);
    assertEquals(await message(page).inputValue(), "half a senten");
    assertEquals([person.left, person.wrong], [[], []]);
  },
);

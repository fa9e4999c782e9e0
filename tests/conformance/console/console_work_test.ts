// The console in a real Chromium: everything that a person can do to a session and to the server, by click and by key.
// What people see while they talk to an agent: console_test.ts.

import { assert, assertEquals } from "@std/assert";
import { closeBrowser, type Page } from "../../support/browser/console_browser.ts";
import { uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at as valueAt, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { Gate, OTHER, status, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import type { WsWire } from "../../support/wire/wire_client.ts";
import { answers, at, message, minted, openSession, prompt, test, testAlone } from "./console_stage.ts";

Deno.test.afterAll(closeBrowser);

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const PASTE = `(() => {
  const bytes = Uint8Array.from(atob("${PNG}"), (unit) => unit.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "dot.png", { type: "image/png" }));
  document.querySelector("#prompt").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
})()`;

/** A browser that allows notifications, and keeps what they say. */
const NOTIFIED = `
  globalThis.notices = [];
  globalThis.Notification = class {
    static permission = "granted";
    static requestPermission = () => Promise.resolve("granted");
    constructor(title, { body }) { notices.push(body === "" ? title : title + ": " + body); }
    close() {}
  };
`;

const action = async (page: Page, name: string): Promise<void> => {
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name }).click();
};

/** Waits until the server's state of a session is as it should be. */
async function becomes(wire: WsWire, sessionId: string, path: string[], value: unknown): Promise<void> {
  let state = {};
  await until(
    async () => {
      state = await wire.ok({ type: "get_state", sessionId });
      return valueAt(state, ...path) === value || undefined;
    },
    20_000,
    () => `${path.join(".")} is not ${value}: ${JSON.stringify(state)}`,
  );
}

test("console: model, level, tools, modes and budget change in the settings", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect("admin");
    const { id } = await bench.session(wire);
    const page = await openSession(person, await minted(bench, { role: "admin" }), id);
    await page.getByRole("button", { name: /^Settings/ }).click();
    const sheet = page.getByRole("dialog", { name: "Settings" });
    await sheet.getByLabel("Thinking").selectOption("medium");
    await becomes(wire, id, ["thinkingLevel"], "medium");
    await sheet.getByRole("option", { name: OTHER.modelId }).waitFor({ state: "attached" });
    await sheet.getByLabel("Model").selectOption(`${OTHER.provider}/${OTHER.modelId}`);
    await becomes(wire, id, ["model", "id"], OTHER.modelId);
    await sheet.getByLabel("Follow-ups").selectOption("all");
    await becomes(wire, id, ["followUpMode"], "all");
    await sheet.getByLabel("write", { exact: true }).click();
    await until(
      async () => {
        const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId: id }), "tools");
        return tools.some((tool) => valueAt(tool, "name") === "write" && valueAt(tool, "active") === false) ||
          undefined;
      },
      20_000,
      () => "the tool is still active",
    );
    await sheet.getByLabel("Turns").fill("7");
    await sheet.getByRole("button", { name: "Set the budget" }).press("Enter");
    await becomes(wire, id, ["budget", "maxTurns"], 7);
  }));

test("console: steer by key, follow up by click, and what waits is taken back", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const gate = new Gate();
    const marker = bench.name("busy");
    bench.model.script(marker, text(["one ", "two"], { gate }));
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await prompt(page, marker);
    await answers(page).getByText("one").waitFor();
    await prompt(page, "a word in between");
    await message(page).fill("and after that");
    await page.getByRole("button", { name: "Follow up" }).click();
    const queue = page.getByRole("list", { name: "Queued messages" });
    await queue.getByText("a word in between").waitFor();
    await queue.getByText("and after that").waitFor();
    await page.getByRole("button", { name: "Take back" }).click();
    await queue.waitFor({ state: "detached" });
    // The queue is empty by an event, and the box is filled by the answer.
    const taken = "a word in between\n\nand after that";
    const filled = async () => await message(page).inputValue() === taken || undefined;
    await until(filled, 10_000, () => "what was taken back in the box");
    gate.open();
    await answers(page).getByText("one two").waitFor();
  }));

test("console: a shell command, a slash command by completion, and a pasted image", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    await Deno.mkdir(`${bench.home.agentDir}/prompts`, { recursive: true });
    const template = "---\ndescription: Greets\n---\nGreet all of them";
    await Deno.writeTextFile(`${bench.home.agentDir}/prompts/greet-all.md`, template);
    const { id, cwd } = await bench.session(wire);
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await prompt(page, "!echo said by a shell > out.txt; cat out.txt");
    await page.getByRole("article", { name: "Shell command" }).getByText("said by a shell", { exact: true })
      .waitFor();
    assertEquals(await Deno.readTextFile(`${cwd}/out.txt`), "said by a shell\n");
    await message(page).pressSequentially("/greet");
    await page.getByRole("option", { name: /greet-all/ }).waitFor();
    await message(page).press("Tab");
    assertEquals(await message(page).inputValue(), "/greet-all ");
    await message(page).press("Enter");
    await answers(page).getByText("echo: Greet all of them").waitFor();
    const marker = bench.name("picture");
    await page.evaluate(PASTE);
    await page.getByRole("list", { name: "Pictures to send" }).getByRole("img").waitFor();
    await prompt(page, marker);
    assertEquals((await bench.model.request(marker)).images, 1);
    await page.getByRole("article", { name: "Your message" }).getByRole("img").waitFor();
  }));

test("console: the tree goes back to a message and forks at one", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    for (const message of ["first words", "second words"]) {
      await wire.ok({ type: "prompt", sessionId: id, message, waitFor: "settled" }, 30_000);
    }
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await answers(page).getByText("echo: second words").waitFor();
    const entry = (words: string) =>
      page.getByRole("list", { name: "Entries" }).getByRole("listitem").filter({ hasText: words }).first();
    await page.getByRole("button", { name: "Tree" }).click();
    await entry("second words").getByRole("button", { name: "Go on here" }).click();
    await answers(page).getByText("echo: second words").waitFor({ state: "detached" });
    assertEquals(await message(page).inputValue(), "second words");
    await prompt(page, "other words");
    await answers(page).getByText("echo: other words").waitFor();
    await page.getByRole("button", { name: "Tree" }).click();
    await entry("first words").getByRole("button", { name: "Fork" }).press("Enter");
    await page.getByText("Forked: this is the copy").waitFor();
    await answers(page).first().waitFor({ state: "detached" });
    assertEquals(await message(page).inputValue(), "first words");
  }));

testAlone("console: rename, export, delete, and the file is taken up again", async (bench) => {
  // pi's folder of session files belongs to the roots.
  await bench.start(["--root", bench.home.agentDir]);
  await at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire, { sessionName: "Before" });
    await wire.ok({ type: "prompt", sessionId: id, message: "to be kept", waitFor: "settled" }, 30_000);
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await action(page, "Rename");
    await page.getByRole("dialog").getByLabel("Name").fill("After the change");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "After the change" }).waitFor();
    await action(page, "Export as a page");
    const said = await page.getByText(/^Exported on the server to /).first().textContent();
    const html = await Deno.readTextFile((said ?? "").replace(/^Exported on the server to /, "").trim());
    assert(html.startsWith("<!DOCTYPE html>") || html.startsWith("<!doctype html>"), html.slice(0, 100));
    await action(page, "Delete");
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Sessions", exact: true }).waitFor();
    await page.getByRole("searchbox", { name: "Search sessions" }).fill("After the change");
    await page.getByRole("button", { name: "Stored", exact: true }).click();
    await page.getByRole("region", { name: "Stored" }).getByText("After the change").click();
    await answers(page).getByText("echo: to be kept").waitFor();
  });
});

test("console: a token is minted as a link with a QR code, lets in, is listed and revoked", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire, { sessionName: "Shown to a guest" });
    const page = await person.open(`${await minted(bench, { role: "admin" })}&to=/server`);
    await page.getByRole("button", { name: "Mint a token" }).click();
    const sheet = page.getByRole("dialog");
    await sheet.getByLabel("Label").fill("a guest");
    await sheet.getByLabel("Shown to a guest").check();
    await sheet.getByRole("button", { name: "Mint", exact: true }).click();
    await page.getByRole("img", { name: "QR code of the link" }).waitFor();
    const link = new URL(await page.getByRole("textbox", { name: "Link" }).inputValue());
    await page.getByRole("button", { name: "Done" }).click();
    const guest = await person.open(link.hash.replace("#token=", ""));
    await guest.getByRole("heading", { name: "Shown to a guest" }).waitFor();
    assert(guest.url().endsWith(`#/session/${id}`), guest.url());
    const tokens = arrayAt(await (await bench.connect("admin")).ok({ type: "list_tokens" }), "tokens");
    const listed = tokens.find((token) => valueAt(token, "label") === "a guest");
    assertEquals(stringAt(objectAt({ listed }, "listed"), "role"), "observe");
    await page.getByRole("button", { name: "Revoke a guest" }).click();
    await page.getByRole("button", { name: "Revoke for good" }).click();
    await guest.getByLabel("Token").waitFor();
  }));

test("console: notifications of a question, an end, a failure and a budget; the title counts questions", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect("admin");
    const { id } = await bench.session(wire, { sessionName: "Far away" });
    const page = await person.open(await minted(bench, { role: "drive" }));
    await page.addInitScript(NOTIFIED);
    await page.reload();
    await page.getByText("Far away").first().waitFor();
    await page.getByRole("button", { name: "Notifications" }).click();
    const says = async (words: string): Promise<void> => {
      const all = () => page.evaluate("notices.join('\\n')").then(String);
      await until(async () => (await all()).split("\n").includes(words) || undefined, 20_000, () => words);
    };
    await wire.ok({ type: "prompt", sessionId: id, message: "hello", waitFor: "settled" }, 30_000);
    await says("Far away is done");
    const failing = bench.name("failing");
    bench.model.script(failing, status(400, "no"));
    await wire.request({ type: "prompt", sessionId: id, message: failing, waitFor: "settled" }, 30_000);
    await says("Far away has failed");
    void wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt("n.json", [["input", "Your name?"]]),
    });
    await says("Far away asks you: Your name?");
    // Asked from outside: the page's policy stops a condition that Playwright would evaluate in it.
    const counts = (marked: boolean) => async () =>
      (await page.title()).startsWith("(1) ") === marked || undefined;
    await until(counts(true), 10_000, () => "the count in the title");
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /Inbox/ }).click();
    const question = page.getByRole("region", { name: "Question: Your name?" });
    await question.getByRole("textbox").fill("Ada");
    await question.getByRole("button", { name: "Answer" }).click();
    await until(counts(false), 10_000, () => "the title without a count");
    const { usage } = await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 1000 });
    const maxTurns = numberAt({ usage }, "usage", "turns") + 1;
    await wire.ok({ type: "set_budget", sessionId: id, maxTurns });
    await wire.ok({ type: "prompt", sessionId: id, message: "the last one", waitFor: "settled" }, 30_000);
    await says("Far away has met its budget");
  }));

test("console: the server's page shows health, limits, connections and plots", (bench) =>
  at(bench, async (person) => {
    const page = await person.open(`${await minted(bench, { role: "observe" })}&to=/server`);
    await page.getByRole("region", { name: "Health" }).waitFor();
    for (
      const name of [
        ...["Sessions", "Events", "Traffic", "Memory", "Queues", "Event-loop delay", "Tokens"],
        ...["Spend by model", "Spend by session"],
      ]
    ) await page.getByRole("img", { name: new RegExp(`^${name}: `) }).waitFor();
    const memory = page.getByRole("img", { name: /^Memory: process [\d.,]+ [MG]B, server .*, workers / });
    await memory.waitFor();
    await memory.press("ArrowLeft");
  }));

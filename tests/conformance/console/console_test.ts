// The console in a real Chromium: a person opens the page with a token, makes a session, prompts, answers, looks away
// and comes back, on a desk and on a phone; roles see what they may. What hostile text comes to: console_hostile_test.ts.
// Left out by name where there is no Chromium.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { recorded, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, stringAt } from "../../support/base/json.ts";
import { calls, Gate, hang, OPENAI, text } from "../../support/model/model_server.ts";
import {
  axeFindings,
  closeBrowser,
  overflow,
  type Page,
  Person,
  type View,
} from "../../support/browser/console_browser.ts";
import { StoppableLine } from "../../support/network/stoppable_line.ts";
import { until } from "../../support/base/wait.ts";
import { answers, at, message, minted, openSession, origin, prompt, test } from "./console_stage.ts";
import { listed } from "../suite.ts";

Deno.test.afterAll(closeBrowser);

test("console: a token in the fragment lets in, and leaves the address and every store but the tab's", (bench) =>
  at(bench, async (person) => {
    const token = await minted(bench, { role: "drive" });
    const page = await person.open(token);
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    assertMatch(page.url(), /^http:\/\/127\.0\.0\.1:\d+\/(?:#\/?)?$/);
    assert(!(await person.kept(page)).includes(token));
    assert(!bench.server.stderr.includes(token));
    await page.reload();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await page.close();
    // Another tab, and a tab after it was closed, have no token.
    const other = await person.open();
    await other.getByLabel("Token").waitFor();
    assert(!(await person.kept(other)).includes(token));
    assertEquals(await other.evaluate("JSON.stringify(sessionStorage).includes('token')"), false);
  }));

test("console: without a token, and with a wrong one, the page asks for one and says why", (bench) =>
  at(bench, async (person) => {
    const page = await person.open();
    await page.getByLabel("Token").fill("a-token-that-was-never-minted-0123456789");
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill(await minted(bench, { role: "observe" }));
    await page.getByLabel("Token").press("Enter");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
  }));

test("console: a person makes a session, prompts by key, and sees the answer stream in", (bench) =>
  at(bench, async (person) => {
    const gate = new Gate();
    bench.model.script(
      "tell me",
      text(["First **bold** part. ", "Second part."], { gate, thinking: "Let me see" }),
    );
    const page = await person.open(await minted(bench, { role: "admin" }));
    await page.getByRole("button", { name: "New session" }).click();
    const sheet = page.getByRole("dialog", { name: "New session" });
    // Also where no session is live.
    await sheet.getByRole("option", { name: OPENAI.modelId }).first().waitFor({ state: "attached" });
    await sheet.getByLabel("Name").fill("By hand");
    await sheet.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "By hand" }).waitFor();
    await prompt(page, "tell me something");
    await page.getByRole("article", { name: "Your message" }).getByText("tell me something").waitFor();
    await answers(page).locator("strong", { hasText: "bold" }).waitFor();
    assertEquals(await answers(page).getByText("Second part.").count(), 0);
    gate.open();
    await answers(page).getByText("Second part.").waitFor();
    await page.getByRole("button", { name: "Send" }).waitFor();
    const wire = await bench.connect();
    const sessions = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
    assert(sessions.some((session) => JSON.stringify(session).includes("By hand")));
  }));

test("console: a reload in the middle of a stream goes on where it was", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const gate = new Gate();
    const marker = bench.name("reload");
    bench.model.script(marker, text(["alpha ", "beta ", "gamma"], { gate, gateAfter: 2 }));
    const page = await openSession(person, await bench.server.token(), id);
    await prompt(page, marker);
    await answers(page).getByText("alpha beta").waitFor();
    await page.reload();
    await answers(page).getByText("alpha beta").waitFor();
    gate.open();
    await answers(page).getByText("alpha beta gamma").waitFor();
    assertEquals(await answers(page).count(), 1);
    assertEquals(await page.getByRole("article", { name: "Your message" }).count(), 1);
  }));

test("console: a stream changes its last words alone, so that a selection above them stays", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const gate = new Gate();
    const marker = bench.name("grows");
    bench.model.script(
      marker,
      text(["- first point\n- second", " point\n- third point with `code`"], { gate }),
    );
    const page = await openSession(person, await bench.server.token(), id);
    await prompt(page, marker);
    await answers(page).getByText("second").waitFor();
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.answer li'))");
    gate.open();
    await answers(page).getByText("third point").waitFor();
    assertEquals(await page.evaluate("String(getSelection())"), "first point");
    assertEquals(await answers(page).locator("li").allInnerTexts(), [
      "first point",
      "second point",
      "third point with code",
    ]);
  }));

test("console: two tabs and a client of another kind see one session", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const token = await bench.server.token();
    const [one, two] = [await openSession(person, token, id), await openSession(person, token, id)];
    await prompt(one, "from the first tab");
    for (const page of [one, two]) await answers(page).getByText("echo: from the first tab").waitFor();
    await wire.ok({ type: "prompt", sessionId: id, message: "from a client", waitFor: "settled" }, 30_000);
    for (const page of [one, two]) await answers(page).getByText("echo: from a client").waitFor();
    await wire.ok({ type: "set_session_name", sessionId: id, name: "Renamed elsewhere" });
    for (const page of [one, two]) await page.getByRole("heading", { name: "Renamed elsewhere" }).waitFor();
  }));

test("console: a question is answered on the session's page and in the inbox", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire);
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await prompt(page, uiPrompt("first.json", [["select", "Which way?", ["left", "right"]]]));
    await page.getByRole("region", { name: "Question: Which way?" }).getByRole("button", { name: "right" })
      .click();
    assertEquals(await recorded(cwd, "first.json"), ["right"]);
    await page.getByRole("region", { name: "Question: Which way?" }).waitFor({ state: "detached" });
    await prompt(page, uiPrompt("second.json", [["input", "Your name?"]]));
    const badge = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /Inbox.*1/ });
    const question = page.getByRole("region", { name: "Question: Your name?" });
    await question.getByRole("textbox").fill("Ad");
    await badge.click();
    await page.getByRole("heading", { name: "Inbox" }).waitFor();
    assertEquals(await question.getByRole("textbox").inputValue(), "Ad", "what was typed is kept");
    await question.getByRole("textbox").fill("Ada");
    await question.getByRole("button", { name: "Answer" }).click();
    assertEquals(await recorded(cwd, "second.json"), ["Ada"]);
  }));

test("console: a run that begins while the page reads the state can be stopped", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const marker = bench.name("early");
    bench.model.script(marker, hang(["At it "]));
    const page = await person.open();
    const wanted = new Set<unknown>();
    const held: (() => void)[] = [];
    let holds = true;
    await page.routeWebSocket(/./, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((told) => {
        const { id: asked, type } = JSON.parse(String(told));
        if (type === "get_context_usage") wanted.add(asked);
        server.send(told);
      });
      server.onMessage((told) => {
        const send = (): void => socket.send(told);
        if (holds && wanted.has(JSON.parse(String(told)).id)) held.push(send);
        else send();
      });
    });
    await page.goto(`${page.url()}#token=${await bench.server.token()}&to=/session/${id}`);
    await page.reload();
    await until(() => held.length > 0 || undefined, 20_000, () => "the page reads the context");
    await prompt(page, marker);
    const stop = page.getByRole("button", { name: "Stop" });
    await stop.waitFor();
    await answers(page).getByText("At it").waitFor();
    holds = false;
    for (const send of held) send();
    await wire.ok({ type: "follow_up", sessionId: id, message: "comes after the answer" });
    await page.getByText("comes after the answer").waitFor();
    await stop.click();
    await stop.waitFor({ state: "detached" });
  }));

test("console: a tool call shows its arguments and its output, and Stop ends a run", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const marker = bench.name("tools");
    bench.model.script(
      marker,
      calls([{ name: "bash", args: { command: "echo out-of-the-tool" } }]),
      text(["looked at it"]),
    );
    const page = await openSession(person, await bench.server.token(), id);
    await prompt(page, marker);
    await answers(page).getByText("looked at it").waitFor();
    const tool = page.getByRole("group", { name: /^Tool bash/ });
    const line = tool.getByRole("button").first();
    if (await line.getAttribute("aria-expanded") === "false") await line.press("Enter");
    await tool.getByRole("group", { name: "Output" }).getByText("out-of-the-tool").waitFor();
    const endless = bench.name("endless");
    const gate = new Gate();
    bench.model.script(endless, text(["never ", "ends"], { gate }));
    await prompt(page, endless);
    await answers(page).getByText("never").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
    gate.open();
  }));

test("console: a token that observes finds nothing to change anything with", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    await wire.ok({ type: "prompt", sessionId: id, message: "hello", waitFor: "settled" }, 30_000);
    void wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt("o.json", [["confirm", "May I?", "?"]]),
    });
    const before = await listed(wire);
    const page = await openSession(person, await minted(bench, { role: "observe" }), id);
    await answers(page).getByText("echo: hello").waitFor();
    assertEquals(await message(page).count(), 0);
    const question = page.getByRole("region", { name: "Question: May I?" });
    await question.waitFor();
    for (const button of await question.getByRole("button").all()) assert(await button.isDisabled());
    const changing =
      /^(?:New session|Send|Steer|Stop|More actions|Actions for|Take back|Mint|Revoke|Delete|Rename|Create)/;
    for (const path of ["", "inbox", "server", `session/${id}`]) {
      await page.goto(`${new URL(page.url()).origin}/#/${path}`);
      await page.getByRole("main").waitFor();
      await page.waitForLoadState("networkidle");
      assertEquals(await page.getByRole("button", { name: changing }).count(), 0, path);
    }
    for (const opener of [/^Settings/, /^Tree$/]) {
      await page.getByRole("button", { name: opener }).click();
      const sheet = page.getByRole("dialog");
      await sheet.waitFor();
      const enabled = await sheet.locator("input:enabled, select:enabled, textarea:enabled").count();
      assertEquals(enabled, 0, `${opener} has something to change`);
      await sheet.getByRole("button", { name: "Close" }).click();
    }
    assertEquals(await listed(wire), before);
  }));

test("console: a token that answers does that alone, and one for a session sees that one alone", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire, { sessionName: "The one" });
    await bench.session(wire, { sessionName: "The other" });
    const page = await openSession(person, await minted(bench, { role: "answer", sessions: [id] }), id);
    void wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt("a.json", [["confirm", "Go on?", "Now"]]),
    });
    await page.getByRole("region", { name: "Question: Go on?" }).getByRole("button", { name: "Yes" }).click();
    assertEquals(await recorded(cwd, "a.json"), [true]);
    assertEquals(await message(page).count(), 0);
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Sessions" }).click();
    await page.getByText("The one").first().waitFor();
    assertEquals(await page.getByText("The other").count(), 0);
  }));

test("console: a revoked token ends the page, which says so and keeps nothing", (bench) =>
  at(bench, async (person) => {
    const admin = await bench.connect("admin");
    const made = await admin.ok({ type: "mint_token", role: "drive", ttlMs: 600_000 });
    const page = await person.open(stringAt(made, "token"));
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await admin.ok({ type: "revoke_token", tokenId: stringAt(made, "tokenId") });
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").waitFor();
  }));

test("console: axe-core finds no fault on any page, in light, in dark and on a phone", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { sessionName: "For axe" });
  const marker = bench.name("axe");
  const step = calls([{ name: "bash", args: { command: "ls" } }], [
    "Some `code` and\n\n```ts\nlet a = 1;\n```\n",
  ]);
  bench.model.script(
    marker,
    step,
    text(["| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two"], { thinking: "So" }),
  );
  await wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 30_000);
  const token = await bench.server.token();
  const views: View[] = [{}, { dark: true }, { width: 360, height: 740, phone: true }];
  for (const view of views) {
    await at(bench, async (person) => {
      const page = await person.open(token);
      for (const path of ["", "inbox", "server", `session/${id}`]) {
        await page.goto(`${new URL(page.url()).origin}/#/${path}`);
        await page.getByRole("main").waitFor();
        await page.waitForLoadState("networkidle");
        if (path.startsWith("session")) await answers(page).last().waitFor();
        assertEquals(await axeFindings(page), [], `${JSON.stringify(view)} /${path}`);
        assertEquals(await overflow(page), "", `${JSON.stringify(view)} /${path} is wider than its window`);
      }
    }, view);
  }
  const bare = await Person.make(await origin(bench));
  await using _bare = bare;
  const form = await bare.open();
  await form.getByLabel("Token").waitFor();
  assertEquals(await axeFindings(form), []);
});

test("console: axe-core finds no fault in any sheet or open dialog, and Escape closes a sheet", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire, { sessionName: "For sheets" });
    void wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt("s.json", [["select", "Q?", ["a", "b"]]]),
    });
    const page = await openSession(person, await bench.server.token(), id);
    await page.getByRole("region", { name: "Question: Q?" }).waitFor();
    assertEquals(await axeFindings(page), [], "a question");
    const sheets: readonly (readonly [path: string, open: (page: Page) => Promise<void>])[] = [
      [`session/${id}`, (page) => page.getByRole("button", { name: /^Settings/ }).click()],
      [`session/${id}`, (page) => page.getByRole("button", { name: "Tree" }).click()],
      ["", (page) => page.getByRole("button", { name: "New session" }).click()],
      ["server", (page) => page.getByRole("button", { name: "Mint a token" }).click()],
    ];
    for (const [path, open] of sheets) {
      await page.goto(`${new URL(page.url()).origin}/#/${path}`);
      await open(page);
      const sheet = page.getByRole("dialog");
      await sheet.waitFor();
      assertEquals(
        await axeFindings(page),
        [],
        `the sheet ${await sheet.getAttribute("aria-label") ?? ""} of /${path}`,
      );
      await page.keyboard.press("Escape");
      await sheet.waitFor({ state: "detached" });
    }
  }));

test("console: on a phone a person prompts and answers with a thumb", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire);
    const page = await openSession(person, await minted(bench, { role: "drive" }), id);
    await message(page).tap();
    await message(page).fill("from a phone");
    await page.getByRole("button", { name: "Send" }).tap();
    await answers(page).getByText("echo: from a phone").waitFor();
    void wire.request({
      type: "prompt",
      sessionId: id,
      message: uiPrompt("p.json", [["confirm", "Sure?", "Yes?"]]),
    });
    await page.getByRole("region", { name: "Question: Sure?" }).getByRole("button", { name: "Yes" }).tap();
    assertEquals(await recorded(cwd, "p.json"), [true]);
    assertEquals(await overflow(page), "");
  }, { width: 360, height: 740, phone: true }));

test("console: while the network is away a banner says so, what was typed stays, and nothing is missing after", async (bench) => {
  const { port } = await bench.server.endpoint();
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await using line = new StoppableLine(port);
  await using person = await Person.make(`http://127.0.0.1:${line.port}`);
  const page = await openSession(person, await bench.server.token(), id);
  await message(page).fill("half a senten");
  line.stop();
  const banner = page.getByRole("status").getByText("cannot be reached");
  await banner.waitFor();
  await wire.ok(
    { type: "prompt", sessionId: id, message: "while it was closed", waitFor: "settled" },
    30_000,
  );
  assertEquals(await message(page).inputValue(), "half a senten");
  line.go();
  await banner.waitFor({ state: "detached" });
  await answers(page).getByText("echo: while it was closed").waitFor();
  assertEquals(await answers(page).count(), 1);
  assertEquals(await message(page).inputValue(), "half a senten");
  assertEquals([person.left, person.wrong], [[], []]);
});

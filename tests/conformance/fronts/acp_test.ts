// `pi-server acp` with an editor made of the SDK's client: whole conversations, and every message held to the schemas.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { Editor, type EditorOptions } from "../../support/fronts/acp_editor.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at } from "../../support/base/json.ts";
import { calls, hang, OPENAI, OTHER, status, text } from "../../support/model/model_server.ts";
import { REPO } from "../../support/server/server_process.ts";
import { type Bench, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

/** An editor for one case: its messages are checked at its end, which is exit code 0. */
async function withEditor(
  bench: Bench,
  options: EditorOptions,
  body: (editor: Editor) => Promise<void>,
): Promise<void> {
  await using editor = await Editor.start(bench.home, options);
  await body(editor);
  editor.check();
  assertEquals(await editor.end(), 0);
  assertEquals(editor.stderr, "");
}

const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("acp: initialize says what the agent can do", async (bench) => {
  await using editor = new Editor(bench.home);
  const answer = await editor.initialize();
  assertEquals(answer.protocolVersion, 1);
  assertEquals(answer.agentInfo?.name, "pi-server");
  assertEquals(answer.agentCapabilities?.loadSession, true);
  assertEquals(answer.agentCapabilities?.promptCapabilities?.image, true);
  assertEquals(answer.agentCapabilities?.promptCapabilities?.embeddedContext, true);
  assertEquals(Object.keys(answer.agentCapabilities?.sessionCapabilities ?? {}), ["list", "resume", "close"]);
  assertMatch(answer.authMethods?.[0]?.description ?? "", /\/login/);
  editor.check();
  assertEquals(await editor.end(), 0);
});

test("acp: a conversation with thoughts, tools, output and differences", async (bench) => {
  const marker = bench.name("tools");
  const cwd = await bench.home.folder(marker);
  await Deno.writeTextFile(`${cwd}/poem.txt`, "roses are red\nviolets are blue\n");
  bench.model.script(
    marker,
    calls([{ name: "read", args: { path: "poem.txt" } }, {
      name: "bash",
      args: { command: "echo '```'" },
    }], [
      "I look. ",
    ]),
    calls([{
      name: "edit",
      args: { path: "poem.txt", edits: [{ oldText: "are blue", newText: "are green" }] },
    }, { name: "write", args: { path: "sub/new.txt", content: "fresh\n" } }]),
    calls([{ name: "edit", args: { path: "poem.txt", edits: [{ oldText: "none", newText: "x" }] } }]),
    text(["All ", "done."], { thinking: "hm, yes" }),
  );
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(cwd);
    assertEquals(await editor.prompt(id, marker), "end_turn");
    assertStringIncludes(editor.text(id), "I look. All done.");
    assertEquals(editor.text(id, "agent_thought_chunk"), "hm, yes");
    assertEquals(editor.text(id, "user_message_chunk"), "", "the editor shows its own prompt itself");
    const made = editor.of(id, "tool_call");
    assertEquals(made.map(({ title, kind }) => [title, kind]), [
      ["Read poem.txt", "read"],
      ["echo '```'", "execute"],
      ["Edit poem.txt", "edit"],
      ["Write sub/new.txt", "edit"],
      ["Edit poem.txt", "edit"],
    ]);
    const [read, bash, edit, write, failed] = made.map(({ toolCallId }) => editor.toolCall(id, toolCallId));
    assertEquals(read?.locations, [{ path: `${cwd}/poem.txt` }]);
    assertStringIncludes(String(at(read, "content", 0, "content", "text")), "roses are red");
    assertEquals(
      at(bash, "content", 0, "content", "text"),
      "````\n```\n````",
      "no output ends its own fence",
    );
    assertEquals([bash?.status, edit?.status, write?.status, failed?.status], [
      "completed",
      "completed",
      "completed",
      "failed",
    ]);
    assertEquals(edit?.content, [
      { type: "diff", path: `${cwd}/poem.txt`, oldText: "are blue", newText: "are green" },
    ]);
    assertEquals(edit?.locations, [{ path: `${cwd}/poem.txt`, line: 2 }]);
    assertEquals(write?.content, [
      { type: "diff", path: `${cwd}/sub/new.txt`, oldText: null, newText: "fresh\n" },
    ]);
    assertMatch(String(at(failed, "content", 0, "content", "text")), /Could not find/i);
    assertEquals(await Deno.readTextFile(`${cwd}/poem.txt`), "roses are red\nviolets are green\n");
    const usage = editor.of(id, "usage_update").at(-1);
    assert(
      usage !== undefined && usage.used > 0 && usage.size > usage.used && usage.cost?.currency === "USD",
    );
    // The answer comes behind all updates of its run.
    const answer = editor.sent.findIndex(({ message }) => at(message, "result", "stopReason") !== undefined);
    const last = editor.sent.findLastIndex(({ message }) =>
      at(message, "params", "update", "sessionUpdate") === "agent_message_chunk"
    );
    assert(answer > last, `${answer} ${last}`);
  });
});

test("acp: text, images, links and embedded files reach the model", async (bench) => {
  const marker = bench.name("content");
  bench.model.script(marker, text(["seen"]));
  await withEditor(bench, {}, async (editor) => {
    const sessionId = await editor.session(await bench.home.folder(marker));
    const { stopReason } = await editor.agent.request("session/prompt", {
      sessionId,
      prompt: [
        { type: "text", text: `${marker} compare ` },
        { type: "resource_link", uri: "file:///a/with%20blank.ts#L3", name: "blank.ts" },
        { type: "text", text: " with " },
        { type: "resource", resource: { uri: "file:///a/b.ts", text: "const b = 1;" } },
        { type: "image", data: PICTURE, mimeType: "image/png" },
        { type: "resource", resource: { uri: "file:///a/c.png", blob: PICTURE, mimeType: "image/png" } },
        { type: "resource", resource: { uri: "file:///a/d.bin", blob: "AAAA" } },
      ],
    });
    assertEquals(stopReason, "end_turn");
    const request = await bench.model.request(marker);
    assertEquals(request.images, 2);
    assertStringIncludes(
      request.userText,
      `${marker} compare [@blank.ts](/a/with blank.ts#L3) with [@b.ts](/a/b.ts)[@c.png](/a/c.png)[@d.bin](/a/d.bin)` +
        `\n\n<context ref="/a/b.ts">\nconst b = 1;\n</context>\n\n` +
        `<context ref="/a/d.bin">\n(binary, not included)\n</context>`,
    );
    assertEquals(editor.text(sessionId, "user_message_chunk"), "");
    const audio = editor.agent.request("session/prompt", {
      sessionId,
      prompt: [{ type: "audio", data: "AAAA", mimeType: "audio/wav" }],
    });
    await assertRejects(() => audio, Error, "pi takes no audio");
  });
});

test("acp: cancel ends the prompt with `cancelled`, by the notification and by the request's own", async (bench) => {
  const marker = bench.name("cancel");
  bench.model.script(marker, hang(["I am at it "]), hang(["again "]), text(["still there"]));
  await withEditor(bench, {}, async (editor) => {
    const sessionId = await editor.session(await bench.home.folder(marker));
    const first = editor.prompt(sessionId, marker);
    await editor.until(() => editor.text(sessionId).includes("at it"), "the first words");
    await editor.agent.notify("session/cancel", { sessionId });
    assertEquals(await first, "cancelled");
    await (await bench.model.request(marker)).aborted;
    const stop = new AbortController();
    const second = editor.agent.request("session/prompt", {
      sessionId,
      prompt: [{ type: "text", text: marker }],
    }, { cancellationSignal: stop.signal });
    await editor.until(() => editor.text(sessionId).includes("again"), "the second words");
    stop.abort();
    assertEquals((await second).stopReason, "cancelled");
    assertEquals(await editor.prompt(sessionId, marker), "end_turn");
    assertStringIncludes(editor.text(sessionId), "still there");
  });
});

test("acp: a cancel right behind the prompt reaches it in the mailbox", async (bench) => {
  const marker = bench.name("early");
  bench.model.script(marker, hang(["never done"]));
  await withEditor(bench, {}, async (editor) => {
    const sessionId = await editor.session(await bench.home.folder(marker));
    const prompt = editor.prompt(sessionId, marker);
    await editor.agent.notify("session/cancel", { sessionId });
    assertEquals(await prompt, "cancelled");
  });
});

test("acp: a cancelled prompt that waits behind another client's command is aborted once it begins", async (bench) => {
  const marker = bench.name("mailbox");
  bench.model.script(marker, hang(["never done"]));
  const cwd = await bench.home.folder(marker);
  await withEditor(bench, {}, async (editor) => {
    const sessionId = await editor.session(cwd);
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId });
    const command = "echo waits; while [ ! -e go ]; do sleep 0.05; done";
    const shell = wire.ok({ type: "bash", sessionId, command }, 60_000);
    await wire.event(sessionId, "bash_output");
    const prompt = editor.prompt(sessionId, marker);
    await editor.agent.notify("session/cancel", { sessionId });
    await editor.agent.request("session/list", {});
    await Deno.writeTextFile(`${cwd}/go`, "");
    await shell;
    assertEquals(await prompt, "cancelled");
    assertEquals((await wire.ok({ type: "get_state", sessionId })).isStreaming, false);
  });
});

test("acp: an editor that reads more slowly than the model writes has all of it before the answer", async (bench) => {
  const marker = bench.name("slow");
  const pieces = Array.from({ length: 200 }, (_, at) => `${at} ${"x".repeat(20_000)}\n`);
  bench.model.script(marker, text(pieces));
  await withEditor(bench, { readMs: 30 }, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    const prompt = [{ type: "text", text: marker } as const];
    await editor.agent.request("session/prompt", { sessionId: id, prompt });
    const whole = pieces.join("");
    assertEquals([editor.text(id).length, editor.text(id) === whole], [whole.length, true]);
  });
});

test("acp: levels are modes, and models and levels are options", async (bench) => {
  const marker = bench.name("settings");
  bench.model.script(marker, text(["one"]));
  const [reasoning, other] = [
    `${OPENAI.provider}/${OPENAI.modelId}`,
    `${OTHER.provider}/${OTHER.modelId}`,
  ];
  await withEditor(bench, {}, async (editor) => {
    const cwd = await bench.home.folder(marker);
    const opened = await editor.agent.request("session/new", { cwd, mcpServers: [] });
    const { sessionId } = opened;
    assertEquals(opened.modes?.currentModeId, "low");
    assertEquals(opened.modes?.availableModes.map(({ id }) => id), [
      ...["off", "minimal", "low", "medium", "high"],
    ]);
    assertEquals(
      opened.configOptions?.map(({ id, category, currentValue }) => [id, category, currentValue]),
      [
        ["model", "model", reasoning],
        ["thinking", "thought_level", "low"],
      ],
    );
    await editor.agent.request("session/set_mode", { sessionId, modeId: "high" });
    assertEquals(editor.of(sessionId, "current_mode_update").at(-1)?.currentModeId, "high");
    const wire = await bench.connect();
    assertEquals((await wire.ok({ type: "get_state", sessionId })).thinkingLevel, "high");
    const { configOptions } = await editor.agent.request("session/set_config_option", {
      ...{ sessionId, configId: "model", value: other },
    });
    assertEquals(configOptions.map(({ currentValue }) => currentValue), [other, "off"]);
    // Another client chooses: the editor follows.
    await wire.ok({ type: "set_model", sessionId, ...OPENAI });
    await wire.ok({ type: "set_thinking_level", sessionId, level: "medium" });
    await wire.ok({ type: "set_session_name", sessionId, name: "Release notes" });
    await editor.until(
      () => editor.of(sessionId, "session_info_update").at(-1)?.title === "Release notes",
      "the session's name",
    );
    assertEquals(editor.of(sessionId, "current_mode_update").at(-1)?.currentModeId, "medium");
    const shown = editor.of(sessionId, "config_option_update").at(-1)?.configOptions;
    assertEquals(shown?.map(({ currentValue }) => currentValue), [reasoning, "medium"]);
    const set = (configId: string, value: string) =>
      editor.agent.request("session/set_config_option", { sessionId, configId, value });
    await assertRejects(() => set("model", "no/such"), Error, 'there is no model "no/such"');
    await assertRejects(() => set("colour", "red"), Error, 'there is no option "colour"');
    const mode = editor.agent.request("session/set_mode", { sessionId, modeId: "wild" });
    await assertRejects(() => mode, Error, 'there is no mode "wild"');
  });
});

test("acp: slash commands are offered, and run", async (bench) => {
  const marker = bench.name("slash");
  const cwd = await bench.home.folder(marker);
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(cwd);
    const { availableCommands } = await editor.until(
      () => editor.of(id, "available_commands_update").at(-1),
      "the commands",
    );
    assertEquals(
      availableCommands.find(({ name }) => name === "ui")?.description,
      "Does with the UI what its JSON says",
    );
    const line = `/ui ${JSON.stringify({ out: "o.json", calls: [["notify", "done it", "warning"]] })}`;
    assertEquals(await editor.prompt(id, line), "end_turn");
    assertStringIncludes(editor.text(id), "> done it");
  });
});

test("acp: a template's text reaches the model, and the editor shows what was typed alone", async (bench) => {
  const marker = bench.name("template");
  await Deno.mkdir(`${bench.home.agentDir}/prompts`, { recursive: true });
  await Deno.writeTextFile(`${bench.home.agentDir}/prompts/${marker}.md`, `Review ${marker} in full: $1\n`);
  bench.model.script(marker, text(["reviewed"]));
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    await editor.until(
      () =>
        editor.of(id, "available_commands_update")[0]?.availableCommands.some(({ name }) => name === marker),
      "the template",
    );
    assertEquals(await editor.prompt(id, `/${marker} a.ts`), "end_turn");
    assertStringIncludes((await bench.model.request(marker)).userText, `Review ${marker} in full: a.ts`);
    assertEquals([editor.text(id), editor.text(id, "user_message_chunk")], ["reviewed", ""]);
  });
});

test("acp: the editor learns which MCP servers were left out, and the session works", async (bench) => {
  const marker = bench.name("mcp");
  bench.model.script(marker, text(["works"]));
  await withEditor(bench, { capabilities: { session: { notices: {} } } }, async (editor) => {
    const { sessionId } = await editor.agent.request("session/new", {
      cwd: await bench.home.folder(marker),
      mcpServers: [{ name: "files", command: "/bin/true", args: [], env: [] }],
    });
    const notice = await editor.until(() => editor.of(sessionId, "notice").at(-1), "the notice");
    assertEquals(notice.severity, "warning");
    assertStringIncludes(notice.title, "pi has no MCP servers, so these were left out: files");
    assertEquals(await editor.prompt(sessionId, marker), "end_turn");
    assertEquals(editor.text(sessionId), "works");
  });
});

test("acp: an error of the model is the prompt's error", async (bench) => {
  const marker = bench.name("refused");
  bench.model.script(marker, status(400, "that is not allowed"));
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    const error = await assertRejects(() => editor.prompt(id, marker), Error, "that is not allowed");
    assertEquals([Reflect.get(error, "code"), at(Reflect.get(error, "data"), "code")], [
      -32603,
      "agent_error",
    ]);
  });
});

test("acp: a budget that is used up ends a run with `max_turn_requests`, and refuses the next", async (bench) => {
  const marker = bench.name("budget");
  bench.model.script(marker, calls([{ name: "bash", args: { command: "true" } }]), text(["never"]));
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    await (await bench.connect()).ok({ type: "set_budget", sessionId: id, maxTurns: 1, onExceed: "pause" });
    assertEquals(await editor.prompt(id, marker), "max_turn_requests");
    assertStringIncludes(editor.text(id), "has used up its budget");
    await assertRejects(() => editor.prompt(id, "more"), Error, "budget");
  });
});

test("docs/EDITORS.md: each block of JSON starts an agent", async (bench) => {
  const page = await Deno.readTextFile(`${REPO}/docs/EDITORS.md`);
  const blocks = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = ""]) => JSON.parse(block));
  assertEquals(blocks.length, 4);
  const { url } = await bench.server.endpoint();
  for (const block of blocks) {
    const [[, agent] = []] = Object.entries(Object.values(block)[0] as Record<string, unknown>);
    const [command, args] = [at(agent, "command"), arrayAt(agent, "args").map(String)];
    assertEquals([command, args[0]], ["pi-server", "acp"]);
    // The page names a server and a file of the reader's.
    const here: Record<string, string> = {
      "wss://build.example.org/": url,
      "/home/me/.pi/build-token": `${bench.home.clientStateDir}/token`,
    };
    await withEditor(bench, { args: args.slice(1).map((arg) => here[arg] ?? arg) }, async (editor) => {
      assertEquals((await editor.agent.request("session/list", {})).nextCursor ?? null, null);
    });
  }
});

// `pi-server acp`, sessions that are shared: questions of extensions, history, lists, and other clients in the same
// session at the same time.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Editor, type EditorOptions } from "../../support/fronts/acp_editor.ts";
import { CuttingProxy } from "../../support/network/cutting_proxy.ts";
import { installDialogs, recorded, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { endedBy, shownTo } from "../../support/extensions/dialog_steps.ts";
import { arrayAt, at, messageText } from "../../support/base/json.ts";
import { calls, Gate, text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { type Bench, shared } from "../suite.ts";

const args: string[] = [];
const test = shared(args, async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
});

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

const FORMS = { elicitation: { form: {} } };

test("acp: select and confirm are permissions, input and editor are forms", async (bench) => {
  const cwd = await bench.home.folder(bench.name("asks"));
  const asked: unknown[] = [];
  const options: EditorOptions = {
    capabilities: FORMS,
    answer: ({ toolCall, options }) => {
      asked.push([toolCall.title, options.map(({ name, kind }) => `${name}: ${kind}`)]);
      const chosen = options.find(({ name }) => name === "No, never" || name === "Yes");
      return { outcome: { outcome: "selected", optionId: chosen?.optionId ?? "" } };
    },
    fill: (request) => {
      asked.push([request.message, at(request as never, "requestedSchema", "properties", "answer")]);
      return { action: "accept", content: { answer: `about ${request.message}` } };
    },
  };
  await withEditor(bench, options, async (editor) => {
    const id = await editor.session(cwd);
    const line = uiPrompt("out.json", [
      ["select", "Pick", ["Go on", "No, never"]],
      ["confirm", "Sure?", "Really?"],
      ["input", "Name", "who"],
      ["editor", "Write", "draft"],
    ]);
    assertEquals(await editor.prompt(id, line), "end_turn");
    assertEquals(await recorded(cwd, "out.json"), ["No, never", true, "about Name", "about Write"]);
    assertEquals(asked, [
      ["Pick", ["Go on: allow_once", "No, never: reject_once"]],
      ["Sure?\nReally?", ["Yes: allow_once", "No: reject_once"]],
      ["Name", { type: "string", title: "Answer", description: "who" }],
      ["Write", { type: "string", title: "Answer", default: "draft" }],
    ]);
    const [pick, sure] = editor.of(id, "tool_call").map(({ toolCallId }) => editor.toolCall(id, toolCallId));
    assertEquals([pick?.status, at(pick, "content", 0, "content", "text")], [
      "completed",
      "Answer: No, never",
    ]);
    assertEquals([sure?.status, at(sure, "content", 0, "content", "text")], ["completed", "Answer: Yes"]);
  });
});

test("acp: a person who answers nothing cancels the question; so does an empty form", async (bench) => {
  const cwd = await bench.home.folder(bench.name("declined"));
  const options: EditorOptions = {
    capabilities: FORMS,
    answer: () => ({ outcome: { outcome: "cancelled" } }),
    fill: () => ({ action: "decline" }),
  };
  await withEditor(bench, options, async (editor) => {
    const id = await editor.session(cwd);
    const line = uiPrompt("out.json", [["select", "Pick", ["A"]], ["input", "Name"]]);
    assertEquals(await editor.prompt(id, line), "end_turn");
    assertEquals(await recorded(cwd, "out.json"), ["<undefined>", "<undefined>"]);
  });
});

test("acp: another client answers, and the editor's question is taken back", async (bench) => {
  const cwd = await bench.home.folder(bench.name("elsewhere"));
  const never = new Promise<never>(() => {});
  const options: EditorOptions = { capabilities: FORMS, answer: () => never, fill: () => never };
  await withEditor(bench, options, async (editor) => {
    const id = await editor.session(cwd);
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId: id });
    const line = uiPrompt("out.json", [["select", "Pick", ["A", "B"]], ["input", "Name"]]);
    const prompt = editor.prompt(id, line);
    for (const response of [{ method: "select", value: "B" }, { method: "input", value: "me" }]) {
      const { requestId } = await shownTo(wire, id);
      await editor.until(
        () =>
          editor.sent.some(({ message }) => JSON.stringify(message).includes("session/request_permission")),
        "the question",
      );
      await wire.ok({ type: "extension_ui_response", sessionId: id, requestId: String(requestId), response });
    }
    assertEquals(await prompt, "end_turn");
    assertEquals(await recorded(cwd, "out.json"), ["B", "me"]);
    const taken = editor.sent.filter(({ by, message }) =>
      by === "agent" && message.method === "$/cancel_request"
    );
    assertEquals(taken.length, 2);
    const [pick] = editor.of(id, "tool_call").map(({ toolCallId }) => editor.toolCall(id, toolCallId));
    assertEquals(at(pick, "content", 0, "content", "text"), "Answer: another client has answered it");
    assertStringIncludes(editor.text(id), "> The question is over, another client has answered it: Name");
  });
});

test("acp: a dialog that is open when the editor joins is asked after the answer that opens the session", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const ask = wire.ok({
    ...{ type: "prompt", sessionId: id, message: uiPrompt("out.json", [["select", "Pick", ["A", "B"]]]) },
    waitFor: "settled",
  });
  await shownTo(wire, id);
  const options: EditorOptions = {
    answer: ({ options }) => ({ outcome: { outcome: "selected", optionId: options[1]?.optionId ?? "" } }),
  };
  await withEditor(bench, options, async (editor) => {
    await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
    await ask;
    assertEquals(await recorded(cwd, "out.json"), ["B"]);
    const opened = editor.sent.findIndex(({ message }) => at(message, "result", "modes") !== undefined);
    const asked = editor.sent.findIndex(({ message }) => message.method === "session/request_permission");
    const shown = editor.sent.findIndex(({ message }) =>
      at(message, "params", "update", "sessionUpdate") === "tool_call"
    );
    assert(0 < opened && opened < shown && shown < asked, `${opened} ${shown} ${asked}`);
  });
});

test("acp: a question that the editor has no form for stays open, and the editor says so", async (bench) => {
  const cwd = await bench.home.folder(bench.name("words"));
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(cwd);
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId: id });
    // This editor refuses permissions as well, as one does that has no such method.
    const prompt = editor.prompt(
      id,
      uiPrompt("out.json", [["input", "Name", "who"], ["confirm", "Sure?", ""]]),
    );
    for (
      const [title, response] of [
        ["Name", { method: "input", value: "me" }],
        ["Sure?", { method: "confirm", confirmed: true }],
      ] as const
    ) {
      const request = await shownTo(wire, id);
      await editor.until(() => editor.text(id).includes(`An extension asks: ${title}`), "the words");
      assertStringIncludes(editor.text(id), `pi-server attach ${id}`);
      const requestId = String(request.requestId);
      await wire.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
      assertEquals(await endedBy(wire, id, request), "client");
    }
    assertEquals(await prompt, "end_turn");
    assertEquals(await recorded(cwd, "out.json"), ["me", true]);
  });
});

/** A conversation with a tool and a difference; its session and folder. */
async function conversation(
  bench: Bench,
  editor: Editor,
  marker: string,
): Promise<{ id: string; cwd: string }> {
  const cwd = await bench.home.folder(marker);
  await Deno.writeTextFile(`${cwd}/a.txt`, "one\n");
  bench.model.script(
    marker,
    calls([{ name: "edit", args: { path: "a.txt", edits: [{ oldText: "one", newText: "two" }] } }], [
      "I edit. ",
    ]),
    text(["It is ", "done."], { thinking: "hm" }),
    text(["And more."]),
  );
  const id = await editor.session(cwd);
  assertEquals(await editor.prompt(id, marker), "end_turn");
  return { id, cwd };
}

/** What an editor shows of a session, without what says how it came. */
function shown(editor: Editor, id: string) {
  return {
    said: editor.text(id),
    thought: editor.text(id, "agent_thought_chunk"),
    tools: editor.of(id, "tool_call").map(({ toolCallId }) => editor.toolCall(id, toolCallId)).map((
      call,
    ) => ({
      ...call,
      sessionUpdate: "",
    })),
  };
}

test("acp: session/load replays the history as it was shown, session/resume nothing; both go on", async (bench) => {
  const marker = bench.name("load");
  let first: ReturnType<typeof shown> | undefined;
  let [id, cwd] = ["", ""];
  await withEditor(bench, {}, async (editor) => {
    ({ id, cwd } = await conversation(bench, editor, marker));
    first = shown(editor, id);
    assertEquals(first.tools.length, 1);
  });
  await withEditor(bench, {}, async (editor) => {
    const answer = await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
    assertEquals(shown(editor, id), first);
    assertEquals(editor.text(id, "user_message_chunk"), marker);
    assertEquals(answer.modes?.currentModeId, "low");
    // All of the history comes before the answer.
    const answered = editor.sent.findIndex(({ message }) => at(message, "result", "modes") !== undefined);
    const last = editor.sent.findLastIndex(({ message }) =>
      String(at(message, "params", "update", "sessionUpdate")).endsWith("_chunk")
    );
    assert(last < answered, `${last} ${answered}`);
    assertEquals(await editor.prompt(id, marker), "end_turn");
    assertEquals(editor.text(id), "I edit. It is done.And more.");
    // Loading again begins anew.
    await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
    assertEquals(editor.text(id, "user_message_chunk"), `${marker}${marker}${marker}`);
  });
  await withEditor(bench, {}, async (editor) => {
    await editor.agent.request("session/resume", { sessionId: id, cwd });
    await editor.until(() => editor.of(id, "available_commands_update")[0], "the commands");
    assertEquals(shown(editor, id), { said: "", thought: "", tools: [] });
    bench.model.script(marker, text(["resumed"]));
    assertEquals(await editor.prompt(id, marker), "end_turn");
    assertEquals(editor.text(id), "resumed");
    await editor.agent.request("session/close", { sessionId: id });
    await assertRejects(() => editor.prompt(id, "more"), Error, "is not open here");
  });
});

test("acp: a stored session is listed, and taken up by the id of its file", async (bench) => {
  const marker = bench.name("kept");
  await withEditor(bench, {}, async (editor) => {
    const { id, cwd } = await conversation(bench, editor, marker);
    const listing = async () => (await editor.agent.request("session/list", { cwd })).sessions;
    const [live, ...others] = await listing();
    assertEquals([live?.sessionId, live?.cwd, live?.title, others.length], [id, cwd, marker, 0]);
    const wire = await bench.connect();
    await wire.ok({ type: "delete_session", sessionId: id });
    const [stored, ...more] = await listing();
    assertEquals([stored?.title, more.length], [marker, 0]);
    const sessionId = stored?.sessionId ?? "";
    await editor.agent.request("session/load", { sessionId, cwd, mcpServers: [] });
    assertEquals(editor.text(sessionId), "I edit. It is done.");
    assertEquals(await editor.prompt(sessionId, marker), "end_turn");
    const [back, ...none] = await listing();
    assertEquals([back?.sessionId, none.length], [sessionId, 0]);
  });
});

test("acp: session/list comes in pages, the newest first, each session once", async (bench) => {
  const cwd = await bench.home.folder(bench.name("many"));
  const made = new Set<string>();
  for (let at = 0; at < 70; at++) {
    const piId = `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`;
    const entries = new Entries();
    entries.user(`question ${at}`);
    await writeSession(`${bench.home.agentDir}/sessions/many-${at}.jsonl`, piId, cwd, entries.all);
    made.add(piId);
  }
  await withEditor(bench, {}, async (editor) => {
    const first = await editor.agent.request("session/list", { cwd });
    assertEquals(first.sessions.length, 50);
    const live = await editor.session(cwd);
    const second = await editor.agent.request("session/list", { cwd, cursor: first.nextCursor ?? "" });
    assertEquals(second.nextCursor ?? null, null);
    const all = [...first.sessions, ...second.sessions];
    assertEquals(all.length, 70, "what has come since is on the first page");
    assertEquals(new Set(all.map(({ sessionId }) => sessionId)), made);
    const times = all.map(({ updatedAt }) => updatedAt ?? "");
    assertEquals(times, [...times].sort().reverse());
    assertEquals((await editor.agent.request("session/list", { cwd })).sessions[0]?.sessionId, live);
    const bad = editor.agent.request("session/list", { cursor: "seventeen" });
    await assertRejects(() => bad, Error, 'the cursor "seventeen" is none of this list');
  });
});

test("acp: what another client does in the session shows in the editor, and the other way round", async (bench) => {
  const marker = bench.name("both");
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId: id });
    const gate = new Gate();
    bench.model.script(marker, text(["From ", "elsewhere."], { gate }), text(["Steered."]), text(["Mine."]));
    await wire.ok({ type: "prompt", sessionId: id, message: `${marker} theirs` });
    await editor.until(() => editor.text(id).includes("From "), "the other client's answer");
    assertEquals(editor.text(id, "user_message_chunk"), `${marker} theirs`);
    const mine = editor.prompt(id, `${marker} mine`);
    await wire.event(id, "queue_update", (event) => arrayAt(event, "followUp").length === 1);
    await wire.ok({ type: "steer", sessionId: id, message: `${marker} steered` });
    gate.open();
    assertEquals(await mine, "end_turn");
    assertEquals(editor.text(id), "From elsewhere.Steered.Mine.");
    assertEquals(editor.text(id, "user_message_chunk"), `${marker} theirs${marker} steered`);
    const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
    assertEquals(messages.map((message) => `${at(message, "role")}: ${messageText(message)}`), [
      `user: ${marker} theirs`,
      "assistant: From elsewhere.",
      `user: ${marker} steered`,
      "assistant: Steered.",
      `user: ${marker} mine`,
      "assistant: Mine.",
    ]);
  });
});

test("acp: an editor that opens a session in the middle of an answer shows all of it, once", async (bench) => {
  const marker = bench.name("middle");
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const gate = new Gate();
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: "echo before" } }]),
    text(["The first half, ", "the second half."], { gate }),
  );
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await wire.event(
    id,
    "message_update",
    (event) => String(at(event, "assistantMessageEvent", "delta") ?? "").includes("first half"),
  );
  await withEditor(bench, {}, async (editor) => {
    await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
    assertEquals(editor.text(id), "The first half, ");
    assertEquals(editor.of(id, "tool_call").map(({ title }) => title), ["echo before"]);
    gate.open();
    await editor.until(() => editor.text(id).endsWith("second half."), "the rest");
    assertEquals(editor.text(id), "The first half, the second half.");
  });
});

test("acp: a connection that is cut again and again is unseen by the editor", async (bench) => {
  const { port } = await bench.server.endpoint();
  await using proxy = new CuttingProxy(port, 60_000);
  const marker = bench.name("cut");
  const pieces = Array.from({ length: 40 }, (_, index) => `piece ${index} `);
  const gates = pieces.map(() => new Gate());
  bench.model.script(marker, text(pieces, { hold: (index) => gates[index]?.opened }));
  const token = `${bench.home.clientStateDir}/token`;
  await withEditor(bench, { args: ["--server", proxy.url, "--token-file", token] }, async (editor) => {
    const id = await editor.session(await bench.home.folder(marker));
    const prompt = editor.prompt(id, marker);
    for (const [index, gate] of gates.entries()) {
      gate.open();
      if (index % 8 !== 3) continue;
      await editor.until(() => editor.text(id).includes(`piece ${index} `), `piece ${index}`);
      proxy.cut();
    }
    assertEquals(await prompt, "end_turn");
    assertEquals(editor.text(id), pieces.join(""));
    assertEquals(proxy.cuts, 5);
  });
});

test("acp: a compaction shows as one where the editor can, and the next prompt goes on", async (bench) => {
  const marker = bench.name("compact");
  const capabilities = { session: { compaction: {} } };
  await withEditor(bench, { capabilities }, async (editor) => {
    const { id } = await conversation(bench, editor, marker);
    const wire = await bench.connect();
    // Each engine asks for the summary of a turn that is cut in its own words.
    bench.model.handler = () => text(["They edited a file."]);
    try {
      await wire.ok({ type: "compact", sessionId: id }, 60_000);
    } finally {
      bench.model.handler = undefined;
    }
    await editor.until(() => editor.of(id, "compaction_update").length === 2, "the compaction");
    const [begun, done] = editor.of(id, "compaction_update");
    assertEquals([begun?.status, done?.status, begun?.compactionId], [
      "in_progress",
      "completed",
      done?.compactionId,
    ]);
    assertStringIncludes(JSON.stringify(done?.summary), "They edited a file.");
    assertEquals(await editor.prompt(id, marker), "end_turn");
    assertEquals(editor.text(id), "I edit. It is done.And more.");
  });
});

test("acp: the editor learns that another client has taken the session off the list", async (bench) => {
  await withEditor(bench, {}, async (editor) => {
    const id = await editor.session(await bench.home.folder(bench.name("gone")));
    await (await bench.connect()).ok({ type: "delete_session", sessionId: id });
    await editor.until(() => editor.text(id).includes("from the server's list"), "the words");
    const error = await assertRejects(() => editor.prompt(id, "more"), Error);
    assertEquals([Reflect.get(error, "code"), at(Reflect.get(error, "data"), "code")], [
      -32002,
      "session_not_found",
    ]);
  });
});

test("acp: with a token for one session the list has that one alone", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  await bench.session(wire);
  const minted = await wire.ok({ type: "mint_token", role: "drive", sessions: [id], ttlMs: 600_000 });
  const env = { PI_SERVER_TOKEN: String(minted.token) };
  await withEditor(bench, { env }, async (editor) => {
    const { sessions } = await editor.agent.request("session/list", {});
    assertEquals(sessions.map(({ sessionId }) => sessionId), [id]);
    await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
    assertEquals(await editor.prompt(id, "hello"), "end_turn");
    const missing = editor.agent.request("session/load", { sessionId: "other", cwd, mcpServers: [] });
    await assertRejects(() => missing, Error);
  });
});

test("acp: two editors have one session open, and each shows what the other sends", async (bench) => {
  const marker = bench.name("two");
  bench.model.script(marker, text(["to the first"]), text(["to the second"]));
  await withEditor(bench, {}, async (first) => {
    const cwd = await bench.home.folder(marker);
    const id = await first.session(cwd);
    await withEditor(bench, {}, async (second) => {
      await second.agent.request("session/resume", { sessionId: id, cwd });
      assertEquals(await first.prompt(id, `${marker} one`), "end_turn");
      await second.until(() => second.text(id) === "to the first", "the first answer");
      assertEquals(await second.prompt(id, `${marker} two`), "end_turn");
      await first.until(() => first.text(id) === "to the firstto the second", "the second answer");
      assertEquals(first.text(id, "user_message_chunk"), `${marker} two`);
      assertEquals(second.text(id, "user_message_chunk"), `${marker} one`);
    });
  });
});

// Several fronts on one session: an editor over ACP prompts, a program over pi's RPC mode steers, and a client over
// WebSocket answers the dialog. And pi-acp of other authors, which starts `pi-server` in the place of pi.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Editor } from "../../support/fronts/acp_editor.ts";
import { programOf, variables } from "../../support/server/command_line.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at, brief, messageText, stringAt } from "../../support/base/json.ts";
import { calls, Gate, text } from "../../support/model/model_server.ts";
import { npmTools } from "../../support/base/npm_tools.ts";
import { PiRpc } from "../../support/fronts/pi_rpc.ts";
import { NODE } from "../../support/server/server_process.ts";
import { alone } from "../suite.ts";

alone(
  "one session, three clients: an editor prompts, a program steers, a browser answers, all see the same",
  async (bench) => {
    await installDialogs(`${bench.home.agentDir}/extensions`);
    await bench.start();
    const cwd = await bench.home.folder("shared");
    await using editor = await Editor.start(bench.home, {});
    const { sessionId } = await editor.agent.request("session/new", { cwd, mcpServers: [] });
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId });
    const own = programOf();
    await using rpc = new PiRpc(bench.home, cwd, {
      program: own.program,
      args: own.args,
      more: ["--session", sessionId],
      env: variables(bench.home),
    });
    await rpc.request({ type: "get_state" }, 60_000);

    const gate = new Gate();
    bench.model.script(
      "the three",
      text(["beginning ", "goes on"], { gate }),
    );
    bench.model.script(
      "turn left",
      calls([{ name: "ask", args: { title: "Where to?" } }]),
      text(["the harbour", "left we went"]),
    );
    const prompted = editor.agent.request("session/prompt", {
      sessionId,
      prompt: [{ type: "text", text: "the three" }],
    });
    await rpc.message((message) => message.type === "message_update");
    assertEquals((await rpc.request({ type: "steer", message: "turn left" })).success, true);
    gate.open();
    const asked = await wire.event(sessionId, "extension_ui_request");
    await wire.ok({
      type: "extension_ui_response",
      sessionId,
      requestId: stringAt(asked, "event", "requestId"),
      response: { method: "input", value: "the harbour" },
    });
    assertEquals((await prompted).stopReason, "end_turn");
    await rpc.message((message) => message.type === "agent_end");

    const { messages } = await wire.ok({ type: "get_messages", sessionId });
    const { data } = await rpc.request({ type: "get_messages" });
    assertEquals(data, { messages }, "one history");
    const said = arrayAt({ messages }, "messages").map(messageText).join("\n");
    const shown = editor.text(sessionId) + editor.text(sessionId, "user_message_chunk") +
      brief(editor.updates, 100_000);
    for (const words of ["the three", "beginning goes on", "turn left", "the harbour", "left we went"]) {
      assertStringIncludes(said, words);
      // An editor shows its own prompt by itself.
      if (words !== "the three") assertStringIncludes(shown, words, "the editor has seen it");
      assertStringIncludes(brief(rpc.messages, 1_000_000), words, "the program has seen it");
    }
    editor.check();
  },
);

const PI_ACP = await npmTools("pi-acp", { "pi-acp": "0.0.34" });

alone(
  "pi-acp starts `pi-server` in the place of pi, and an editor talks through it",
  async (bench) => {
    if ("reason" in PI_ACP) throw new Error("the case runs without pi-acp");
    await bench.start();
    const cwd = await bench.home.folder("project");
    const own = programOf();
    // pi-acp takes one word for the program that it starts.
    const pi = `${bench.home.dir}/pi`;
    await Deno.writeTextFile(
      pi,
      `#!/bin/sh\nexec ${[own.program, ...own.args].map((part) => `'${part}'`).join(" ")} "$@"\n`,
    );
    await Deno.chmod(pi, 0o755);
    await using editor = await Editor.start(bench.home, {
      program: { program: NODE, args: [`${PI_ACP.folder}/node_modules/pi-acp/dist/index.js`] },
      env: { PI_ACP_PI_COMMAND: pi },
    });
    bench.model.script(
      "through-pi-acp",
      calls([{ name: "bash", args: { command: "echo hi" } }]),
      text(["All ", "done"]),
    );
    const { sessionId } = await editor.agent.request("session/new", { cwd, mcpServers: [] });
    const { stopReason } = await editor.agent.request("session/prompt", {
      sessionId,
      prompt: [{ type: "text", text: "through-pi-acp" }],
    });
    assertEquals(stopReason, "end_turn");
    const shown = brief(editor.updates, 100_000);
    assertStringIncludes(shown, "tool_call");
    assert(/All .*done/s.test(shown), shown);
    // It is a session of the server, with the same history.
    const wire = await bench.connect();
    const [session] = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
    const id = stringAt(session, "sessionId");
    const { text: last } = await wire.ok({ type: "get_last_assistant_text", sessionId: id });
    assertEquals([last, at(session, "cwd")], ["All done", cwd]);
  },
  180_000,
  "reason" in PI_ACP ? PI_ACP.reason : undefined,
);

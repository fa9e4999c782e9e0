// Who owns a dialog, how many may be open, and a client in another language (docs/PROTOCOL.md#dialogs).

import { assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type Json } from "../../support/base/json.ts";
import {
  answer,
  installDialogs,
  recorded,
  uiPrompt,
  UNDEFINED,
} from "../../support/extensions/dialog_extension.ts";
import { asks, shownTo } from "../../support/extensions/dialog_steps.ts";
import { commandOf, environment, REPO } from "../../support/server/server_process.ts";
import { deadline } from "../../support/base/wait.ts";
import { alone, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

for (const sessionId of ["constructor", "a.b", "__proto__"]) {
  test(`dialogs: a session called ${sessionId} owns its dialogs`, async (bench) => {
    const wire = await bench.connect();
    const cwd = await bench.home.folder(`owner-${bench.name("o")}`);
    const { id } = await bench.watched(wire, { sessionId, cwd });
    await wire.ok(asks(id, "owner.json", [["confirm", "Mine", "?"]]));
    const shown = await shownTo(wire, id);
    const pending = await wire.ok({ type: "list_pending_ui" });
    const mine = arrayAt(pending, "requests").filter((each) => at(each, "sessionId") === sessionId);
    assertEquals(mine.map((each) => at(each, "requestId")), [shown.requestId]);
    const star = await wire.ok({ type: "subscribe", sessionId: "*" });
    assertEquals(arrayAt(star, "sessions", sessionId, "pendingUi").length, 1);
    await wire.ok(answer(id, shown, { method: "confirm", confirmed: true }));
    assertEquals(await recorded(cwd, "owner.json"), [true]);
    await wire.ok({ type: "delete_session", sessionId });
  });
}

alone("dialogs: --max-pending-ui-per-session cancels the one too many", async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  await bench.start(["--max-pending-ui-per-session", "2"]);
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const calls: Json[][] = [["input", "one"], ["select", "two", ["x"]]];
  await wire.ok(asks(id, "kept.json", calls, true));
  const [one, two] = [await shownTo(wire, id), await shownTo(wire, id)];
  const third: Json[][] = [["confirm", "three", "?"], ["input", "four"]];
  await wire.ok(asks(id, "cut.json", third));
  assertEquals(await recorded(cwd, "cut.json"), [false, UNDEFINED]);
  assertEquals(arrayAt(await wire.ok({ type: "list_pending_ui", sessionId: id }), "requests").length, 2);
  // Another session has a count of its own.
  const other = await bench.watched(wire);
  await wire.ok(asks(other.id, "other.json", [["input", "theirs"]]));
  await wire.ok(answer(other.id, await shownTo(wire, other.id), { method: "input", value: "o" }));
  assertEquals(await recorded(other.cwd, "other.json"), ["o"]);
  await wire.ok(answer(id, one, { method: "input", value: "1" }));
  await wire.ok(answer(id, two, { method: "select", value: "x" }));
  assertEquals(await recorded(cwd, "kept.json"), ["1", "x"]);
});

alone("dialogs: a round trip of each over stdio, from Python with its standard library", async (bench) => {
  const cwd = await bench.home.folder("python");
  await installDialogs(`${cwd}/.pi/extensions`);
  const calls: Json[][] = [
    ["select", "Pick", ["A", "B\u2028"]],
    ["confirm", "Sure?", "Really?"],
    ["input", "Name", "who"],
    ["editor", "Text", "prefill"],
    ["notify", "done", "info"],
  ];
  const { program, args } = commandOf();
  const own = ["--state-dir", bench.home.stateDir, "--root", bench.home.root, "--no-ws"];
  const child = new Deno.Command("python3", {
    args: [
      `${REPO}/tests/conformance/clients/dialog_client.py`,
      cwd,
      uiPrompt("py.json", calls),
      program,
      ...args,
      ...own,
    ],
    cwd,
    clearEnv: true,
    env: environment(bench.home),
    stdin: "null",
  });
  const { code, stdout, stderr } = await deadline(child.output(), 60_000, () => "the script's end");
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, err);
  assertStringIncludes(out ?? "", '"select", "confirm", "input", "editor", "notify"');
  const results = await recorded(cwd, "py.json");
  assertEquals(results, ["B\u2028", true, "from Python", "prefill, edited", UNDEFINED]);
});

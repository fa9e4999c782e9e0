// The keys of attach: pi's defaults, those of a keybindings.json, older names, and files that are none.
import { assertEquals } from "@std/assert";
import { getKeybindings } from "@mariozechner/pi-tui";
import { bindKeys, isKey, keyName, parseBindings } from "../../../src/cli/attach/key_bindings.ts";

const CTRL_K = "\x0b";
const CTRL_L = "\x0c";
const CTRL_V = "\x16";

Deno.test("keys: without a file they are pi's, and this client's own where pi has none", () => {
  bindKeys("", "linux");
  assertEquals([isKey(CTRL_L, "app.model.select"), isKey(CTRL_K, "app.model.select")], [true, false]);
  assertEquals([keyName("app.interrupt"), keyName("app.session.resume")], ["Esc", "Alt+S"]);
  assertEquals([keyName("app.session.tree"), isKey(CTRL_V, "app.clipboard.pasteImage")], ["no key", true]);
  bindKeys("", "win32");
  assertEquals(keyName("app.clipboard.pasteImage"), "Alt+V");
  bindKeys("", "linux");
});

Deno.test("keys: a keybindings.json sets them, for this client and for pi's editor", () => {
  bindKeys(JSON.stringify({ "app.model.select": "ctrl+k", "tui.editor.undo": ["ctrl+z", "alt+z"] }), "linux");
  try {
    assertEquals([isKey(CTRL_L, "app.model.select"), isKey(CTRL_K, "app.model.select")], [false, true]);
    assertEquals(keyName("app.model.select"), "Ctrl+K");
    assertEquals(getKeybindings().getKeys("tui.editor.undo"), ["ctrl+z", "alt+z"]);
    assertEquals(getKeybindings().getKeys("tui.input.submit"), ["enter"]);
  } finally {
    bindKeys("", "linux");
  }
});

Deno.test("keys: older names count, unless the new one is there; other values are skipped", () => {
  assertEquals(
    parseBindings(JSON.stringify({
      ...{ expandTools: "f2", cursorUp: "ctrl+up", selectPageUp: "f3", newLine: "f4" },
      ...{ selectModel: "f5", "app.model.select": "f6", "app.exit": [], tree: 7, fork: ["f7", null] },
    })),
    {
      ...{ "app.tools.expand": ["f2"], "tui.editor.cursorUp": ["ctrl+up"], "tui.select.pageUp": ["f3"] },
      ...{ "tui.input.newLine": ["f4"], "app.model.select": ["f6"], "app.exit": [] },
    },
  );
  for (const text of ["", "{", "[]", "null", "7", '{"app.exit":"\\u001b[2J"}']) {
    assertEquals(parseBindings(text), {}, text);
  }
});

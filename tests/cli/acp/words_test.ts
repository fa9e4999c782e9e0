// What the front says to an editor in words, as a notice or as a quote between the answers.
import { assertEquals } from "@std/assert";
import { said, wordsOf } from "../../../src/cli/acp/words.ts";

Deno.test("words: events that have no picture of their own have words, the others have none", () => {
  const cases: [event: { type: string; [field: string]: unknown }, severity: string, title: string][] = [
    [
      { type: "auto_retry_start", attempt: 2, errorMessage: "overloaded" },
      "warning",
      "The model failed, try 2 follows: overloaded",
    ],
    [
      { type: "budget_exceeded", limit: "maxUsd" },
      "warning",
      "The session has used up its budget (maxUsd); set_budget raises it",
    ],
    [
      { type: "storage_error", error: "no space" },
      "error",
      "The session file cannot be written: no space",
    ],
    [
      { type: "extension_error", extensionPath: "/e.ts", error: "bad" },
      "warning",
      "An extension failed (/e.ts): bad",
    ],
    [
      { type: "turn_stalled", silentMs: 61_000, phase: "ui" },
      "warning",
      "Nothing has come for 61 s; it waits for the answer to a question",
    ],
    [{ type: "extension_ui_request", method: "notify", message: "hi" }, "info", "hi"],
    [
      { type: "extension_ui_request", method: "notify", message: "hi", notifyType: "error" },
      "error",
      "hi",
    ],
  ];
  for (const [event, severity, title] of cases) assertEquals(wordsOf(event), { severity, title } as never);
  for (const type of ["message_update", "agent_settled", "bash_output"]) {
    assertEquals(wordsOf({ type }), undefined);
  }
  for (const method of ["select", "setStatus", "setWidget", "setTitle", "set_editor_text"]) {
    assertEquals(wordsOf({ type: "extension_ui_request", method }), undefined);
  }
});

Deno.test("words: a notice where the editor shows notices, else a quote of its own; never empty", () => {
  const words = { severity: "warning", title: "one\ntwo" } as const;
  assertEquals(said(words, true, 1), { sessionUpdate: "notice", ...words });
  assertEquals(said(words, false, 7), {
    sessionUpdate: "agent_message_chunk",
    messageId: "notice-7",
    content: { type: "text", text: "\n\n> one\n> two\n\n" },
  });
  assertEquals(said({ severity: "info", title: " " }, true, 1), {
    ...{ sessionUpdate: "notice", severity: "info", title: "(no text)" },
  });
});

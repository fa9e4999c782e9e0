// What is drawn: the window onto a transcript, Markdown in pieces, the screen as a whole, the tabs and the footer.

import { assert, assertEquals } from "@std/assert";
import { Markdown, visibleWidth } from "@mariozechner/pi-tui";
import { imagePath } from "../../../src/cli/attach/pasted_images.ts";
import type { Panel } from "../../../src/cli/attach/dialogs/panel.ts";
import { nameOf } from "../../../src/cli/attach/session/session_name.ts";
import { agoOf } from "../../../src/cli/attach/session/session_choices.ts";
import { treeChoices } from "../../../src/cli/attach/session/tree_choices.ts";
import { Transcript } from "../../../src/cli/attach/transcript/transcript.ts";
import { spread } from "../../../src/cli/attach/view/footer.ts";
import { MarkdownText, piecesOf } from "../../../src/cli/attach/view/markdown.ts";
import { Screen } from "../../../src/cli/attach/view/screen.ts";
import { themeOf } from "../../../src/cli/attach/view/theme.ts";
import { TranscriptView } from "../../../src/cli/attach/view/transcript_view.ts";

const theme = themeOf(false);
// deno-lint-ignore no-control-regex
const bare = (line: string): string => line.replaceAll(/\x1b\[[\d;]*m/g, "").trimEnd();

/** A panel of that many lines, each as wide as may be. */
const panel = (lines: number): Panel => ({
  room: 0,
  focused: false,
  handleInput() {},
  invalidate() {},
  render: (width) => Array.from({ length: lines }, () => "漢".repeat(width)),
});

function transcriptOf(count: number, first = 0): Transcript {
  const transcript = new Transcript();
  const messages = Array.from(
    { length: count },
    (_, index) => ({ role: "user", content: `message ${first + index}` }),
  );
  transcript.begin({ messages, messageCount: first + count });
  return transcript;
}

Deno.test("the window follows the end, stays where it was scrolled to, and asks for older messages once at the top", () => {
  const transcript = transcriptOf(100, 50);
  let asked = 0;
  const view = new TranscriptView(transcript, theme, () => asked++);
  assertEquals(view.render(40, 4).map(bare), ["", " > message 148", "", " > message 149"]);
  view.scroll(-4);
  assertEquals(view.render(40, 4).map(bare), ["", " > message 146", "", " > message 147"]);
  transcript.apply({ type: "message_end", message: { role: "user", content: "new" } });
  assertEquals(view.render(40, 4).map(bare)[1], " > message 146");
  assert(!view.following);
  view.scroll(-1000);
  assertEquals(view.render(40, 4).map(bare)[1], " > message 50");
  assertEquals(asked, 1);
  transcript.prepend([{ role: "user", content: "message 49" }], 49);
  assertEquals(view.render(40, 4).map(bare)[1], " > message 50");
  view.scroll(1000);
  assertEquals(view.render(40, 4).map(bare).at(-1), " > new");
  assert(view.following);
});

Deno.test("the way to the top asks for page after page", () => {
  const transcript = transcriptOf(10, 30);
  const view = new TranscriptView(transcript, theme, () => {
    const first = transcript.first - 10;
    transcript.prepend([{ role: "user", content: `message ${first}` }], first);
  });
  view.toTop();
  for (let frame = 0; frame < 5; frame++) view.render(40, 4);
  assertEquals(view.render(40, 4).map(bare)[1], " > message 0");
});

Deno.test("Markdown in pieces looks like Markdown in one", () => {
  const parts = [
    "# Head",
    "Some *words* here.",
    "```ts\nconst a = 1;\n\nconst b = 2;\n```",
    "1. one\n2. two",
    "> quoted",
  ];
  const text = Array.from({ length: 200 }, (_, index) => `${parts[index % parts.length]} `.trimEnd()).join(
    "\n\n",
  );
  const pieces = piecesOf(text);
  assert(pieces.length > 1);
  for (const piece of pieces) assertEquals((piece.match(/```/g) ?? []).length % 2, 0, piece);
  const whole = new Markdown(text, 0, 0, theme.markdown).render(60).map(bare);
  assertEquals(new MarkdownText(theme).render(text, 60).map(bare), whole);
});

Deno.test("Markdown that takes a parser minutes is drawn as plain text", () => {
  const marks = ["*a ", "*a_", "_a_", "~~a ", "[a](", "[", "![", "> ", "1. ", "- ", "`", "*a\n", "a [b\n"];
  for (const mark of marks) {
    const started = performance.now();
    const lines = new MarkdownText(theme).render(mark.repeat(30_000 / mark.length), 40);
    assert(performance.now() - started < 5000, JSON.stringify(mark));
    assert(lines.length > 0 && lines.every((line) => visibleWidth(line) <= 40));
  }
});

Deno.test("the screen has exactly the terminal's lines, none too wide, whatever is on it", () => {
  const view = new TranscriptView(transcriptOf(30), theme, () => {});
  for (const [columns, rows] of [[80, 24], [24, 8], [10, 3], [200, 60], [1, 1]] as const) {
    for (const lines of [1, 5, 100]) {
      const screen = new Screen({ rows }, {
        panel: panel(lines),
        view,
        tabs: (width) => "t".repeat(width + 5),
        above: () => ["a", "b", "\x1b]0;x\x07c"],
        below: () => ["d", "e"],
        footer: (width) => ["f".repeat(width * 2), "g"],
      }, theme);
      const drawn = screen.render(columns);
      assertEquals(drawn.length, rows);
      assert(drawn.every((line) => visibleWidth(line) <= columns), `${columns}x${rows}`);
      assert(drawn.every((line) => !line.includes("\x1b]")));
    }
  }
});

Deno.test("a terminal that is too small reads the whole sentence, in as many lines as it takes", () => {
  const lines = (columns: number, rows: number): string =>
    new Screen({ rows }, {
      panel: panel(0),
      view: undefined,
      tabs: () => "",
      above: () => [],
      below: () => [],
      footer: () => [],
    }, theme).render(columns).map(bare).join(" ").trim();
  assertEquals(lines(20, 6), "the terminal is too small: 20x6, and at least 24x8 is needed");
  assertEquals(lines(100, 5), "the terminal is too small: 100x5, and at least 24x8 is needed");
});

Deno.test("a line with two ends keeps the right one", () => {
  assertEquals(spread("left", "right", 12), "left   right");
  assertEquals(bare(spread("a long left end", "right", 12)), "a lon… right");
});

Deno.test("names, ages and paths of images", () => {
  assertEquals(nameOf({ sessionId: "notes" }), "notes");
  assertEquals(nameOf({ sessionId: "notes", sessionName: "\x1b[1mMine" }), "Mine");
  assertEquals(
    nameOf({ sessionId: "4c6fa504-999e-4484-b5be-5350979e92e7", cwd: "/home/me/proj/" }),
    "proj 4c6fa504",
  );
  const now = Date.parse("2026-01-02T00:00:00Z");
  assertEquals(
    ["2026-01-01T23:59:50Z", "2026-01-01T23:00:00Z", "2025-12-30T00:00:00Z"].map((at) => agoOf(at, now)),
    ["now", "1h", "3d"],
  );
  assertEquals(imagePath("/tmp/a b.PNG\n"), "/tmp/a b.PNG");
  assertEquals(imagePath("'/tmp/a b.png'"), "/tmp/a b.png");
  assertEquals(imagePath("/tmp/a\\ b.jpg"), "/tmp/a b.jpg");
  assertEquals(imagePath("file:///tmp/a%20b.webp"), "/tmp/a b.webp");
  assertEquals(imagePath("file:///tmp/100%.gif"), "/tmp/100%.gif");
  for (const text of ["a.png", "/tmp/a.txt", "/tmp/a.png and more", "see\n/tmp/a.png"]) {
    assertEquals(imagePath(text), undefined);
  }
});

Deno.test("a tree of 20,000 entries in a row becomes a list, branches are indented", () => {
  const node = (id: number, parent: number | null, text: string) => ({
    entryId: String(id),
    parentId: parent === null ? null : String(parent),
    entryType: "message",
    role: "user",
    text,
    timestamp: "",
  });
  const chain = Array.from({ length: 20_000 }, (_, id) => node(id, id === 0 ? null : id - 1, `m${id}`));
  assertEquals(treeChoices(chain, "19999").length, 20_000);
  const forked = [node(1, null, "a"), node(2, 1, "b"), node(3, 1, "c"), node(4, 3, "d")];
  assertEquals(treeChoices(forked, "4").map(({ label, description = "" }) => `${label} ${description}`), [
    "user: a ",
    "  user: b ",
    "  user: c ",
    "  user: d ← here",
  ]);
});

// What an editor sees of a tool call: title, kind, files, differences and output.
import { assertEquals } from "@std/assert";
import {
  absoluteIn,
  diffsOf,
  kindOf,
  locationsOf,
  outputOf,
  titleOf,
} from "../../../../src/cli/fronts/acp/tool_calls.ts";

Deno.test("titles and kinds: pi's tools by what they do, others by their name", () => {
  const cases: [name: string, args: Record<string, unknown>, title: string, kind: string][] = [
    ["read", { path: "a.ts" }, "Read a.ts", "read"],
    ["edit", { file_path: "a.ts" }, "Edit a.ts", "edit"],
    ["write", { path: "a b.ts" }, "Write a b.ts", "edit"],
    ["ls", {}, "List .", "read"],
    ["grep", { pattern: "x", path: "src" }, "Search x in src", "search"],
    ["find", { pattern: "*.ts" }, "Find *.ts", "search"],
    ["bash", { command: "echo 1 &&\n  echo 2" }, "echo 1 && echo 2", "execute"],
    ["bash", {}, "bash", "execute"],
    ["deploy", { count: 3, target: "prod" }, "deploy: prod", "other"],
    ["deploy", {}, "deploy", "other"],
    ["constructor", {}, "constructor", "other"],
    ["", {}, "tool", "other"],
  ];
  for (const [name, args, title, kind] of cases) {
    assertEquals([titleOf(name, args), kindOf(name)], [title, kind], name);
  }
  assertEquals(titleOf("bash", { command: "x".repeat(500) }).length, 201);
});

Deno.test("paths: absolute ones stay, others are below the session's folder, a home is not known", () => {
  const cases: [cwd: string, path: string, full: string | undefined][] = [
    ["/work/a", "b.ts", "/work/a/b.ts"],
    ["/work/a", "./c/../b.ts", "/work/a/b.ts"],
    ["/work/a", "../../../../b.ts", "/b.ts"],
    ["/work/a", "/etc//x", "/etc/x"],
    ["/work/a", "@b.ts", "/work/a/b.ts"],
    ["/", "b", "/b"],
    ["/work/a", "~/b.ts", undefined],
    ["/work/a", "", undefined],
    ["C:\\work", "src/b.ts", "C:\\work\\src\\b.ts"],
    ["C:\\work", "D:\\x\\..\\y.ts", "D:\\y.ts"],
  ];
  for (const [cwd, path, full] of cases) assertEquals(absoluteIn(cwd, path), full, `${cwd} ${path}`);
});

Deno.test("files: the line that a read begins at, and the first that an edit has changed", () => {
  assertEquals(locationsOf("read", { path: "a", offset: 7 }, undefined, "/w"), [{ path: "/w/a", line: 7 }]);
  assertEquals(locationsOf("read", { path: "a", offset: -1 }, undefined, "/w"), [{ path: "/w/a" }]);
  assertEquals(locationsOf("edit", { path: "a" }, { firstChangedLine: 3 }, "/w"), [{
    path: "/w/a",
    line: 3,
  }]);
  assertEquals(locationsOf("bash", { command: "a", path: "b" }, undefined, "/w"), []);
  assertEquals(locationsOf("ask", { path: "a" }, undefined, "/w"), []);
});

Deno.test("differences: edits in each form that models send, and a file that is written", () => {
  const one = { oldText: "a", newText: "b" };
  const diff = { type: "diff", path: "/w/f", ...one } as const;
  assertEquals(diffsOf("edit", { path: "f", edits: [one, { oldText: "c", newText: "" }] }, "/w"), [
    diff,
    { type: "diff", path: "/w/f", oldText: "c", newText: "" },
  ]);
  assertEquals(diffsOf("edit", { path: "f", edits: JSON.stringify([one]) }, "/w"), [diff]);
  assertEquals(diffsOf("edit", { path: "f", edits: one }, "/w"), [diff]);
  assertEquals(diffsOf("edit", { path: "f", ...one }, "/w"), [diff]);
  assertEquals(diffsOf("edit", { path: "f", edits: [{ oldText: 7 }, null, "x"] }, "/w"), []);
  assertEquals(diffsOf("edit", { path: "f", edits: "{" }, "/w"), []);
  assertEquals(diffsOf("write", { path: "f", content: "b" }, "/w"), [
    { type: "diff", path: "/w/f", oldText: null, newText: "b" },
  ]);
  assertEquals(diffsOf("write", { path: "f" }, "/w"), []);
  assertEquals(diffsOf("read", { path: "f", ...one }, "/w"), []);
});

Deno.test("output: pi's tools in a fence that it cannot close, others as they are, images as images", () => {
  const output = (name: string, text: string) => outputOf(name, { content: [{ type: "text", text }] });
  const shown = (text: string) => [{ type: "content", content: { type: "text", text } }];
  assertEquals(output("bash", "ok"), shown("```\nok\n```") as never);
  assertEquals(output("bash", "a\n````\n"), shown("`````\na\n````\n`````") as never);
  assertEquals(output("deploy", "**done**"), shown("**done**") as never);
  const image = { type: "image", data: "AA==", mimeType: "image/png" } as const;
  assertEquals(outputOf("read", { content: [image] }), [{ type: "content", content: image }]);
  assertEquals(outputOf("read", undefined), []);
});

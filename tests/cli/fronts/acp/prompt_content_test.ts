// The prompt of an editor as pi takes it: links and files in the order of their mention, their content behind it.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { contentOf, promptOf, textOfContent } from "../../../../src/cli/fronts/acp/prompt_content.ts";

Deno.test("prompt: mentions stand where they were typed, embedded texts behind", () => {
  const { message, images } = promptOf([
    { type: "text", text: "Look at " },
    { type: "resource_link", uri: "file:///w/a%20b.ts", name: "a b.ts" },
    { type: "text", text: " and " },
    { type: "resource", resource: { uri: "zed:///rule/7", text: "be brief" } },
    { type: "image", data: "AA==", mimeType: "image/png" },
  ]);
  assertEquals(
    message,
    'Look at [@a b.ts](/w/a b.ts) and [@7](zed:///rule/7)\n\n<context ref="zed:///rule/7">\nbe brief\n</context>',
  );
  assertEquals(images, [{ type: "image", data: "AA==", mimeType: "image/png" }]);
});

Deno.test("prompt: a slash command stays at the beginning", () => {
  const { message } = promptOf([
    { type: "text", text: "/review " },
    { type: "resource", resource: { uri: "file:///w/a.ts", text: "x" } },
  ]);
  assertEquals(message, '/review [@a.ts](/w/a.ts)\n\n<context ref="/w/a.ts">\nx\n</context>');
});

Deno.test("prompt: addresses that are broken stay as they are; audio is refused", () => {
  assertEquals(
    promptOf([{ type: "resource_link", uri: "file:///%E0%A4%A", name: "" }]).message,
    "@file:///%E0%A4%A",
  );
  assertEquals(promptOf([{ type: "resource_link", uri: "file://", name: "x" }]).message, "[@x](/)");
  assertEquals(promptOf([]).message, "");
  const error = assertThrows(() => promptOf([{ type: "audio", data: "", mimeType: "audio/wav" }]));
  assertStringIncludes(String(error), "no audio");
});

Deno.test("content: texts and images, and nothing else", () => {
  assertEquals(contentOf("x"), [{ type: "text", text: "x" }]);
  assertEquals(contentOf([{ type: "text", text: "a" }, { type: "image", data: 7 }, null, { type: "odd" }]), [
    { type: "text", text: "a" },
  ]);
  assertEquals(textOfContent([{ type: "text", text: "a" }, { type: "text", text: "b" }]), "ab");
  assertEquals(contentOf(undefined), []);
});

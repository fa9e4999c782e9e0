import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { checkImage } from "../../../../src/worker/session/guards/image_check.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const image = (data: string, mimeType = "image/png") => ({ type: "image" as const, data, mimeType });
const base64 = (bytes: readonly number[]): string => btoa(String.fromCharCode(...bytes));
const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));

function gif(frames: number, width = 4): string {
  const frame = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
  const comment = [0x21, 0xfe, 2, 65, 66, 0];
  const head = [...ascii("GIF89a"), width & 255, width >> 8, 1, 0, 0x80, 0, 0, ...[0, 0, 0, 255, 255, 255]];
  return base64([...head, ...comment, ...Array.from({ length: frames }, () => frame).flat(), 0x3b]);
}

function jpeg(width: number, padding = 0): string {
  const app = padding === 0 ? [] : [0xff, 0xe0, padding >> 8, padding & 255, ...Array(padding - 2).fill(0)];
  return base64([
    0xff,
    0xd8,
    ...app,
    0xff,
    0xc2,
    0,
    11,
    8,
    0,
    2,
    width >> 8,
    width & 255,
    1,
    1,
    0x11,
    0,
    0xff,
    0xd9,
    ...Array(12).fill(0),
  ]);
}

function webp(flags: number): string {
  const vp8x = [...ascii("VP8X"), 10, 0, 0, 0, flags, 0, 0, 0, 3, 0, 0, 3, 0, 0];
  return base64([...ascii("RIFF"), 30, 0, 0, 0, ...ascii("WEBP"), ...vp8x, 0, 0]);
}

function refusal(data: string, mimeType?: string): string {
  const checked = checkImage(image(data, mimeType));
  assert(!checked.ok, "taken");
  return checked.why;
}

Deno.test("images: each kind is taken, and the same object comes back where nothing is wrong", () => {
  const kinds: [string, string][] = [
    [PNG, "image/png"],
    [gif(1), "image/gif"],
    [jpeg(8000), "image/jpeg"],
    [webp(0), "image/webp"],
  ];
  for (const [data, mimeType] of kinds) {
    const given = image(data, mimeType);
    const checked = checkImage(given);
    assert(checked.ok, `${mimeType}: ${JSON.stringify(checked)}`);
    assert(checked.image === given, mimeType);
  }
});

Deno.test("images: a wrong label is mended", () => {
  const url = PNG.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const lines = PNG.replace(/(.{20})/g, "$1\r\n");
  for (const data of [PNG, `data:image/gif;base64,${PNG}`, url, lines]) {
    assertEquals(checkImage(image(data, "image/jpeg")), { ok: true, image: image(PNG) });
  }
});

Deno.test("images: what a provider refuses is refused, with the reason", () => {
  for (const text of ["!!!", "a", "%%%%"]) assertStringIncludes(refusal(text), "not base64");
  for (
    const text of [
      "<svg xmlns='http://www.w3.org/2000/svg'/>",
      "<!doctype html><html></html>",
      "BM0000000000000000000000000",
    ]
  ) {
    assertStringIncludes(refusal(btoa(text)), "not a whole");
  }
  assertStringIncludes(refusal(PNG.slice(0, 48)), "not a whole");
  assertStringIncludes(refusal(btoa("GIF89a is the name of a format from 1989")), "not a whole");
  assertStringIncludes(refusal(gif(2), "image/gif"), "animated");
  assertStringIncludes(refusal(webp(2), "image/webp"), "animated");
  assertStringIncludes(refusal(gif(1, 9000), "image/gif"), "9000 x 1 pixels");
  assertStringIncludes(refusal(jpeg(8001), "image/jpeg"), "8001 x 2 pixels");
  assertStringIncludes(refusal(jpeg(0), "image/jpeg"), "no pixels");
  assertStringIncludes(refusal("A".repeat(6_000_000)), "larger than 5 MB");
});

Deno.test("images: a JPEG's size is found behind long notes of its camera", () => {
  const notes = Array.from({ length: 3 }, () => [0xff, 0xe1, 0xff, 0xff, ...Array(65_533).fill(7)]).flat();
  const bytes = Uint8Array.from(atob(jpeg(640)), (char) => char.charCodeAt(0));
  const whole = [...bytes.subarray(0, 2), ...notes, ...bytes.subarray(2)];
  let binary = "";
  for (const byte of whole) binary += String.fromCharCode(byte);
  assertEquals(checkImage(image(btoa(binary), "image/jpeg")).ok, true);
});

// The console with a long history: pictures that come by reference, and a session whose file is too large for pi.

import { assert, assertEquals } from "@std/assert";
import { type Json, stringAt } from "../../support/base/json.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import { at, minted, openSession, test, testAlone } from "./console_stage.ts";

/** A picture of random colours, which no format makes small: bytes of a BMP, in base64. */
function picture(side: number): string {
  const pixels = side * side * 3;
  const bytes = new Uint8Array(54 + pixels);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, side, true);
  view.setInt32(22, side, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  for (let i = 54; i < bytes.length; i++) bytes[i] = (i * 37 + (i >> 7)) & 255;
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 30_000) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + 30_000))));
  }
  return parts.join("");
}

test("console: a large picture comes by reference and is shown, a long text is whole", (bench) =>
  at(bench, async (person) => {
    const wire = await bench.connect();
    const entries = new Entries();
    const data = picture(200);
    const content: Json[] = [{ type: "text", text: "look" }, { type: "image", data, mimeType: "image/png" }];
    entries.custom({ type: "message", message: { role: "user", content, timestamp: 1 } });
    entries.assistant(`begins here ${"word ".repeat(20_000)} ends here`);
    const cwd = await bench.home.folder("pictures");
    const path = `${cwd}/pictures.jsonl`;
    await writeSession(path, "pictures-x", cwd, entries.all);
    await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
    const page = await openSession(person, await minted(bench, { role: "observe" }), "pictures-x");
    await page.getByText("ends here").waitFor();
    const image = page.getByRole("img", { name: "Picture 1" });
    await image.waitFor();
    assertEquals(await image.getAttribute("src"), `data:image/png;base64,${data}`);
  }));

testAlone(
  "console: a session whose file is too large for pi is read to its beginning, and says why",
  async (bench) => {
    await bench.start(["--max-host-memory-bytes", "400MiB"]);
    await at(bench, async (person) => {
      const wire = await bench.connect();
      const entries = new Entries();
      for (let n = 0; n < 48; n++) {
        entries.user(`question ${n} of many`);
        entries.assistant(`answer ${n} of many`);
        entries.custom({ type: "custom", customType: "ballast", data: "x".repeat(1024 * 1024) });
      }
      const cwd = await bench.home.folder("huge");
      const path = `${cwd}/huge.jsonl`;
      await writeSession(path, "huge-x", cwd, entries.all);
      const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
      assert(stringAt(loaded, "sessionInfo", "unloaded") !== "");
      const page = await openSession(person, await minted(bench, { role: "observe" }), "huge-x");
      await page.getByText("answer 47 of many").waitFor();
      await page.getByText("--max-host-memory-bytes").waitFor();
      // The page loads on by itself near its top, and the last page takes the button away. A click that waits for the
      // button may wait for ever, so a look, a scroll and a press are one step.
      const beginning = page.getByText("question 0 of many");
      const up = `document.querySelector(".scroller").scrollTop = 0;
        document.querySelector(".older button:enabled")?.click();`;
      await until(
        async () => {
          if (await beginning.count() > 0) return true;
          await page.evaluate(up);
          return undefined;
        },
        20_000,
        () => "the session's beginning",
      );
      await beginning.waitFor();
    });
  },
);

// `pi-server attach` with a history of 10,000 messages: it opens at the end, scrolls to the beginning page by page,
// and holds little of what it does not show.

import { assert } from "@std/assert";
import { stringAt } from "../../support/base/json.ts";
import { attachAlone } from "./attach_bench.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";

const MESSAGES = 10_000;
/** What the program holds without any session, and as much again for the transcript. */
const MOST_RESIDENT_KIB = 400 * 1024;

attachAlone(
  "attach: 10,000 messages open at their end and scroll to their beginning",
  async ({ bench, attach }) => {
    await bench.start(["--root", bench.home.agentDir]);
    const wire = await bench.connect();
    const entries = new Entries();
    for (let n = 0; n < MESSAGES / 2; n++) {
      entries.user(`question ${n}, with **some** words that fill a line`);
      entries.assistant(`answer ${n}\n\n- one point\n- another point\n\n\`\`\`ts\nconst n = ${n};\n\`\`\``);
    }
    const cwd = await bench.home.folder("large");
    const sessionPath = `${bench.home.agentDir}/sessions/large/large.jsonl`;
    await writeSession(sessionPath, "0197f000-0000-7000-8000-000000000001", cwd, entries.all);
    await wire.ok({ type: "load_session", sessionId: "large", sessionPath }, 60_000);
    const terminal = await attach(["large"]);
    await terminal.shows("question 4999", "answer 4999", "const n = 4999;");
    await terminal.press("PageUp", "PageUp");
    await terminal.shows("question 4996", "more below");
    await terminal.press("C-Home");
    for (let pages = 0; pages < 60 && !(await terminal.screen()).includes("question 0,"); pages++) {
      await terminal.press("C-Home");
    }
    await terminal.shows("question 0,");
    const [pid] = await terminal.children();
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
    assert(resident < MOST_RESIDENT_KIB, `the client holds ${resident} KiB`);
    await terminal.press("C-End");
    await terminal.shows("const n = 4999;");
  },
);

attachAlone(
  "attach: a session whose file is too large for pi is read to its beginning, and says why",
  async ({ bench, attach }) => {
    await bench.start(["--root", bench.home.agentDir, "--max-host-memory-bytes", "400MiB"]);
    const wire = await bench.connect();
    const entries = new Entries();
    for (let n = 0; n < 300; n++) {
      entries.user(`question ${n} of many`);
      entries.assistant(`answer ${n} of many`);
      if (n % 6 === 0) {
        entries.custom({ type: "custom", customType: "ballast", data: "x".repeat(1024 * 1024) });
      }
    }
    const cwd = await bench.home.folder("huge");
    const sessionPath = `${bench.home.agentDir}/sessions/huge/huge.jsonl`;
    await writeSession(sessionPath, "0197f000-0000-7000-8000-000000000002", cwd, entries.all);
    const loaded = await wire.ok({ type: "load_session", sessionId: "huge", sessionPath }, 60_000);
    assert(stringAt(loaded, "sessionInfo", "unloaded") !== "");
    const terminal = await attach(["huge"]);
    await terminal.shows("answer 299 of many", "--max-host-memory-bytes");
    for (let pages = 0; pages < 20 && !(await terminal.screen()).includes("question 0 of"); pages++) {
      await terminal.press("C-Home");
    }
    await terminal.shows("question 0 of many");
  },
);

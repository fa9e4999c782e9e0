// Draws the pictures of the documentation, docs/img: a server with a scripted model, some sessions, and the console in
// Chromium. An explicit task, since a picture differs from one machine to the next: deno task pictures.

import * as path from "node:path";
import { repositoryRoot } from "./build/bundle.ts";
import { closeBrowser, type Page, Person, type View } from "../tests/support/browser/console_browser.ts";
import { installDialogs, uiPrompt } from "../tests/support/extensions/dialog_extension.ts";
import { calls, Gate, ModelServer, text, writeModels } from "../tests/support/model/model_server.ts";
import { Home, ServerProcess } from "../tests/support/server/server_process.ts";
import type { WsWire } from "../tests/support/wire/wire_client.ts";

/** A home with a short path, since paths are in the pictures. */
const HOME = "/tmp/me";
/** Most bytes of a picture. */
const MOST_BYTES = 150_000;

const ANSWER = `The total was rounded twice. I round it **once**, at the end:

| order | before | after |
|---|---:|---:|
| 1041 | 19.98 | 19.99 |
| 1042 | 4.49 | 4.49 |

\`\`\`ts
export const total = (lines: Line[]): number =>
  Math.round(lines.reduce((sum, { price, count }) => sum + price * count, 0) * 100) / 100;
\`\`\`

All 214 tests pass.`;

/** Sessions in every state that a list can show. */
async function fill(model: ModelServer, wire: WsWire, gate: Gate): Promise<void> {
  const make = async (id: string, folder: string, sessionName: string): Promise<void> => {
    await Deno.mkdir(`${HOME}/${folder}`, { recursive: true });
    await wire.ok({ type: "create_session", sessionId: id, cwd: `${HOME}/${folder}`, sessionName }, 60_000);
  };
  const prompt = (sessionId: string, message: string) =>
    wire.ok({ type: "prompt", sessionId, message, waitFor: "settled" }, 60_000);
  await make("shop", "shop", "Fix the rounding of totals");
  await Deno.writeTextFile(
    `${HOME}/shop/total.ts`,
    "const a = 1;\nconst b = round(a);\nconst c = round(b);\n",
  );
  const edit = { path: "total.ts", edits: [{ oldText: "const c = round(b);", newText: "const c = b;" }] };
  model.script(
    "totals",
    calls([{ name: "read", args: { path: "total.ts" } }], ["Let me look at the code first."]),
    calls([{ name: "edit", args: edit }]),
    calls([{ name: "bash", args: { command: "echo 'ok | 214 passed | 0 failed (3s)'" } }]),
    text([ANSWER]),
  );
  await prompt("shop", "The totals of some orders are off by a cent. Find out why, and fix it.");
  await make("docs", "handbook", "Translate the handbook");
  await prompt("docs", "Begin with the first chapter");
  await make("api", "api", "Move the API to version 2");
  model.script("endpoints", text(["I move the endpoints one by one. ", "Next."], { gate }));
  await wire.ok({ type: "prompt", sessionId: "api", message: "Move all endpoints" }, 60_000);
  await make("deploy", "deploy", "Roll out to staging");
  void wire.request({
    type: "prompt",
    sessionId: "deploy",
    message: uiPrompt("answer.json", [["select", "Staging has two pending migrations. What shall I do?", [
      "Run them, then roll out",
      "Roll out without them",
      "Stop here",
    ]]]),
  }, 600_000);
}

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly view: View;
  /** Resolves when the page is complete. */
  readonly ready: (page: Page) => Promise<unknown>;
}

const question = (page: Page) => page.getByRole("region", { name: /^Question/ }).first().waitFor();
const PICTURES: readonly Picture[] = [
  {
    name: "sessions",
    path: "/",
    view: { width: 1100, height: 620 },
    ready: (page) => page.getByText("Roll out to staging").first().waitFor(),
  },
  {
    name: "session",
    path: "/session/shop",
    view: { width: 1100, height: 760, dark: true },
    ready: (page) => page.getByText("All 214 tests pass").waitFor(),
  },
  { name: "inbox_phone", path: "/inbox", view: { width: 360, height: 640, phone: true }, ready: question },
  {
    name: "server",
    path: "/server",
    view: { width: 1100, height: 760 },
    ready: (page) => page.getByRole("region", { name: "Health" }).waitFor(),
  },
];

async function draw(server: ServerProcess, folder: string): Promise<void> {
  const { port } = await server.endpoint();
  const token = await server.token();
  for (const { name, path: page, view, ready } of PICTURES) {
    await using person = await Person.make(`http://127.0.0.1:${port}`, view);
    const tab = await person.open(`${token}&to=${page}`);
    await ready(tab);
    await tab.waitForLoadState("networkidle");
    // Plots have their first lines after two readings.
    await tab.waitForTimeout(name === "server" ? 12_000 : 500);
    const file = path.join(folder, `console_${name}.png`);
    const { length } = await tab.screenshot({ path: file, scale: "css" });
    console.log(`${path.basename(file)}: ${length} bytes`);
    if (length > MOST_BYTES) throw new Error(`${file} has ${length} bytes; the most is ${MOST_BYTES}`);
  }
}

if (import.meta.main) {
  const folder = path.join(repositoryRoot(), "docs/img");
  await Deno.mkdir(folder, { recursive: true });
  // Fails when it is there: it is removed in the end.
  await Deno.mkdir(HOME);
  const model = new ModelServer();
  const gate = new Gate();
  try {
    const home = Home.at(HOME);
    await Deno.mkdir(home.temporary, { recursive: true });
    await writeModels(home.agentDir, model.url);
    await installDialogs(`${home.agentDir}/extensions`);
    await using server = await ServerProcess.start(home);
    const wire = await server.connect();
    await fill(model, wire, gate);
    await draw(server, folder);
    gate.open();
    await wire.close();
  } finally {
    await closeBrowser();
    await model[Symbol.asyncDispose]();
    await Deno.remove(HOME, { recursive: true });
  }
}

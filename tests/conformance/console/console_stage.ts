// How a case of the console is written: a person with a browser against one shared server. Where there is no Chromium
// the cases are left out by name.

import { assertEquals } from "@std/assert";
import { HAS_CHROMIUM, type Page, Person, type View } from "../../support/browser/console_browser.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { type JsonObject, stringAt } from "../../support/base/json.ts";
import { alone, type Bench, shared, TARGET } from "../suite.ts";

const case_ = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

/** Leaves a case out by name. */
function leftOut(name: string): void {
  const why = "no Chromium here, see apt-get install chromium";
  Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
}

/** A case, left out by name where there is no Chromium. */
export function test(name: string, body: (bench: Bench) => Promise<void>): void {
  if (HAS_CHROMIUM) case_(name, body);
  else leftOut(name);
}

/** A case with a server of its own, which it starts. */
export function testAlone(name: string, body: (bench: Bench) => Promise<void>): void {
  if (HAS_CHROMIUM) alone(name, body);
  else leftOut(name);
}

/** Where the server's page is. */
export async function origin(bench: Bench): Promise<string> {
  return `http://127.0.0.1:${(await bench.server.endpoint()).port}`;
}

/** A token for that role. */
export async function minted(bench: Bench, fields: JsonObject): Promise<string> {
  const admin = await bench.connect("admin");
  return stringAt(await admin.ok({ type: "mint_token", ttlMs: 600_000, ...fields }), "token");
}

/** A person at the console; nothing of what must not happen has happened when the work is done. */
export async function at(
  bench: Bench,
  work: (person: Person) => Promise<void>,
  view: View = {},
): Promise<void> {
  await using person = await Person.make(await origin(bench), view);
  await work(person);
  assertEquals([person.left, person.wrong], [[], []]);
}

type Role = (page: Page) => ReturnType<Page["getByRole"]>;

/** The box for messages. */
export const message: Role = (page: Page) => page.getByRole("textbox", { name: "Message" });
/** The answers in the transcript. */
export const answers: Role = (page: Page) => page.getByRole("article", { name: "Answer" });

/** Types a message and sends it by key. */
export async function prompt(page: Page, words: string): Promise<void> {
  await message(page).fill(words);
  await message(page).press("Enter");
}

/** Opens a session's page in a new tab. */
export async function openSession(person: Person, token: string, id: string): Promise<Page> {
  const page = await person.open(`${token}&to=/session/${encodeURIComponent(id)}`);
  await page.getByRole("log", { name: "Transcript" }).waitFor();
  return page;
}

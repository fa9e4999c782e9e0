// Does: writes the page of `export_html`: pi's page with a content policy, escaped quotes, and no recursion.
// Used by: history.ts. Uses: export_guard.ts and page_entries.ts. The reasons are in docs/PI.md#session-files.
// Invariant: it relies only on what the pages of pi 0.73.1 and 1.6.0 have in common.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { EXPORT_UNITS } from "../../../governor/limits.ts";
import { failure } from "../../../protocol/errors.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import { guardScript } from "./export_guard.ts";
import { pageEntries } from "./page_entries.ts";

/** A script that runs. The data of the session is in a script with attributes. */
const SCRIPT = /<script>([^]*?)<\/script>/g;

/** Each function of the template that calls itself for the children of a node, and the place that starts it. */
const DESCENDS =
  /node\.children\.forEach\((?:sortChildren|mapNodes)\);|if \(markActive\(child\)\) has = true;/g;
const STARTS = /(roots|tree)\.forEach\((sortChildren|mapNodes|markActive)\);/g;

/** The element of the session's data, which is base64. Both templates of pi have the same tag. */
const DATA_TAG = '<script id="session-data" type="application/json">';
const LESS_THAN = 0x3c;

const hashOf = (text: string): string =>
  `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;

/** The template's script without recursion, and with quotes escaped in attributes. */
function mended(script: string): string {
  return script
    .replace(DESCENDS, "")
    .replace(
      STARTS,
      // The list grows during the walk, so parents come before their children. A node is in the active branch
      // exactly if its own id is, because that branch starts at a root.
      "{ const nodes = [...$1]; for (const node of nodes) { $2(node); for (const child of node.children) nodes.push(child); } }",
    )
    .replace(
      "return div.innerHTML;",
      `return div.innerHTML.replace(/"/g, "&quot;").replace(/'/g, "&#39;");`,
    );
}

/** The click handlers of the template's own elements. */
function handlersOf(script: string): string[] {
  const found = [...script.matchAll(/ onclick="([^"$]*)"/g)].map(([, code = ""]) =>
    code.replaceAll("\\'", "'")
  );
  return [...new Set(found)];
}

/** The page with a policy that allows only its own scripts, by hash, and no network. Its data stays bytes. */
export function securePage(html: Buffer): Buffer {
  const tag = html.indexOf(DATA_TAG);
  const from = tag + DATA_TAG.length;
  const to = html.indexOf(LESS_THAN, from);
  if (tag < 0 || to < 0) throw new Error("pi's page has no element for the session's data");
  const rest = secured(html.toString("utf8", 0, from) + html.toString("utf8", to));
  const at = rest.indexOf(DATA_TAG) + DATA_TAG.length;
  return Buffer.concat([
    Buffer.from(rest.slice(0, at)),
    html.subarray(from, to),
    Buffer.from(rest.slice(at)),
  ]);
}

function secured(html: string): string {
  const scripts: string[] = [];
  const handlers: string[] = [];
  const page = html.replace(SCRIPT, (_, script: string) => {
    const code = mended(script);
    scripts.push(code);
    handlers.push(...handlersOf(code));
    return `<script>${code}</script>`;
  });
  const guard = guardScript([...new Set(handlers)]);
  const allowed = [guard, ...scripts, ...new Set(handlers)].map(hashOf).join(" ");
  const policy = `default-src 'none'; script-src 'unsafe-hashes' ${allowed}; style-src 'unsafe-inline'; ` +
    "img-src data:; base-uri 'none'; form-action 'none'";
  const head =
    `<head>\n  <meta http-equiv="Content-Security-Policy" content="${policy}">\n  <script>${guard}</script>`;
  if (!page.includes("<head>")) throw new Error("pi's page has no head to put a policy into");
  return page.replace("<head>", () => head);
}

/** A page that is ready. */
export interface ExportedPage {
  readonly page: Uint8Array;
  /** The number of images that it leaves out, if any. */
  readonly imagesLeftOut?: number;
}

/** The export before. Exports run one at a time, because each needs several times the memory of its session. */
let previous: Promise<unknown> = Promise.resolve();

/**
 * Makes pi write the page to a file that no other program reads, and secures what pi wrote. pi would hold a long history
 * several times, so large images are left out until the rest is small enough.
 */
export function exportPage(session: AgentSession, file: string): Promise<Outcome<ExportedPage>> {
  const page = previous.then(() => writeSecured(session, file));
  previous = page.catch(() => {});
  return page;
}

async function writeSecured(session: AgentSession, file: string): Promise<Outcome<ExportedPage>> {
  const { sessionManager } = session;
  const shown = pageEntries(sessionManager.getEntries(), EXPORT_UNITS);
  if (shown === undefined) {
    const most = EXPORT_UNITS / 1024 / 1024;
    const sentence =
      `The session's history has more than ${most} MiB without its images, too much for one page; ` +
      "fork or compact it into a session with less, or read its file";
    return { ok: false, failure: failure("session_too_large", sentence) };
  }
  const { entries, imagesLeftOut } = shown;
  // pi's own export, on a view of the session.
  const manager: unknown = Object.create(sessionManager, { getEntries: { value: () => entries } });
  const view: AgentSession = Object.create(session, { sessionManager: { value: manager } });
  const page = securePage(await readFile(await view.exportToHtml(file)));
  return { ok: true, value: { page, ...(imagesLeftOut === 0 ? {} : { imagesLeftOut }) } };
}

// Session files as pi 0.73.1 writes them, made for the tests, and pi's own reading of such files: the judge of
// what a fork or a navigation has to come to.

import { SessionManager } from "@mariozechner/pi-coding-agent";
import { at, type Json, type JsonObject } from "../base/json.ts";
import { OPENAI } from "./model_server.ts";

/** One entry as the wire's `get_tree` shows it, as far as pi itself tells. */
export interface PlainNode {
  entryId: string;
  parentId: string | null;
  entryType: string;
  label?: string;
}

/** A tree with its leaf. */
export interface PlainTree {
  leaf: string | null;
  nodes: PlainNode[];
}

/** A made session file. */
export interface MadeSession {
  path: string;
  piId: string;
  entries: JsonObject[];
}

/** The file's first line. */
export function header(piId: string, cwd: string, at = Date.UTC(2025, 0, 1)): JsonObject {
  return { type: "session", version: 3, id: piId, timestamp: new Date(at).toISOString(), cwd };
}

/** Makes entries one after another, each a child of the current leaf. */
export class Entries {
  readonly all: JsonObject[] = [];
  leaf: string | null = null;
  #clock = Date.UTC(2025, 0, 1, 12);
  #calls = 0;

  #add(fields: JsonObject): string {
    this.#clock += 1000;
    const id = (0x1000_0000 + this.all.length * 7919).toString(16);
    const timestamp = new Date(this.#clock).toISOString();
    this.all.push({ ...fields, id, parentId: this.leaf, timestamp });
    this.leaf = id;
    return id;
  }

  user(words: string): string {
    const content = [{ type: "text", text: words }];
    return this.#add({ type: "message", message: { role: "user", content, timestamp: this.#clock } });
  }

  assistant(words: string, call?: JsonObject): string {
    const usage = { input: 10, output: 5, cacheRead: 0, cacheWrite: 0, totalTokens: 15 };
    const cost = { input: 0.00001, output: 0.00001, cacheRead: 0, cacheWrite: 0, total: 0.00002 };
    const content: Json[] = [{ type: "text", text: words }];
    if (call) content.push(call);
    return this.#add({
      type: "message",
      message: {
        role: "assistant",
        content,
        api: "openai-completions",
        provider: OPENAI.provider,
        model: OPENAI.modelId,
        usage: { ...usage, cost },
        stopReason: call ? "toolUse" : "stop",
        timestamp: this.#clock,
      },
    });
  }

  /** An assistant message that calls bash, and the result. */
  toolTurn(command: string): string {
    const id = `call_${++this.#calls}`;
    this.assistant("Let me look", { type: "toolCall", id, name: "bash", arguments: { command } });
    return this.#add({
      type: "message",
      message: {
        role: "toolResult",
        toolCallId: id,
        toolName: "bash",
        content: [{ type: "text", text: `output of ${command}` }],
        isError: false,
        timestamp: this.#clock,
      },
    });
  }

  label(targetId: string, label: string): string {
    return this.#add({ type: "label", targetId, label });
  }

  custom(fields: JsonObject): string {
    return this.#add(fields);
  }
}

/** Entries of a long session: turns with tools, labels, branches, a compaction, names; `count` of them. */
export function longHistory(count: number): Entries {
  const entries = new Entries();
  entries.custom({ type: "model_change", provider: OPENAI.provider, modelId: OPENAI.modelId });
  entries.custom({ type: "thinking_level_change", thinkingLevel: "low" });
  const turns: string[] = [];
  for (let n = 0; entries.all.length < count - 4; n++) {
    // Every seventh turn goes back a few turns: a branch.
    if (n % 7 === 6) entries.leaf = turns.at(-4) ?? entries.leaf;
    const user = entries.user(`question ${n} with a 😀 and "quotes"`);
    if (n % 3 === 0) entries.toolTurn(`ls ${n}`);
    const answered = entries.assistant(`answer ${n}`);
    turns.push(answered);
    if (n % 10 === 4) entries.label(user, `mark ${n}`);
    if (n === 12) entries.custom({ type: "session_info", name: "A long session" });
    if (n === 15) entries.custom({ type: "custom", customType: "note", data: { n } });
  }
  while (entries.all.length < count - 1) entries.user(`filler ${entries.all.length}`);
  entries.assistant("the last answer");
  return entries;
}

/** Writes a file; returns where it is. */
export async function writeSession(
  path: string,
  piId: string,
  cwd: string,
  entries: readonly JsonObject[],
): Promise<MadeSession> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const lines = [header(piId, cwd), ...entries].map((entry) => JSON.stringify(entry));
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`);
  return { path, piId, entries: [...entries] };
}

/** A copy of the file that pi may open without touching the original, in a folder of its own. */
async function copied(path: string): Promise<{ copy: string; folder: string }> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-tree-" });
  const copy = `${folder}/session.jsonl`;
  await Deno.copyFile(path, copy);
  return { copy, folder };
}

const isSystem = (message: unknown): boolean => at(message, "role") === "system";

/** The tree as the wire shows it: the system messages of a newer pi are left out, what hangs below moves up. */
function plain(manager: SessionManager): PlainTree {
  const moved = new Map<string, string | null>();
  const above = (id: string | null): string | null => {
    const known = id === null ? null : moved.get(id);
    return known === undefined ? id : known;
  };
  const nodes: PlainNode[] = [];
  for (const entry of manager.getEntries()) {
    const parentId = above(entry.parentId);
    if (entry.type === "message" && isSystem(entry.message)) {
      moved.set(entry.id, parentId);
      continue;
    }
    const label = manager.getLabel(entry.id);
    nodes.push({
      entryId: entry.id,
      parentId,
      entryType: entry.type,
      ...(label === undefined ? {} : { label }),
    });
  }
  return { leaf: above(manager.getLeafId()), nodes };
}

/** What pi loads from the file, after `act` has done something with it. */
export async function piTree(
  path: string,
  act: (manager: SessionManager) => SessionManager | void = () => {},
): Promise<PlainTree & { header: unknown; messages: unknown[] }> {
  const { copy, folder } = await copied(path);
  try {
    const opened = SessionManager.open(copy, folder);
    const manager = act(opened) ?? opened;
    return {
      ...plain(manager),
      header: manager.getHeader(),
      messages: manager.buildSessionContext().messages.filter((message) => !isSystem(message)),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The branch up to that entry as a copy must hold it: without labels, each entry below the one before. */
export async function piBranch(
  path: string,
  leafId: string,
): Promise<{ nodes: PlainNode[]; messages: unknown[] }> {
  const ids: string[] = [];
  const { nodes, messages } = await piTree(path, (manager) => {
    ids.push(...manager.getBranch(leafId).map(({ id }) => id));
    manager.branch(leafId);
  });
  const known = new Map(nodes.map((node) => [node.entryId, node]));
  const branch = ids.flatMap((id) => known.get(id) ?? []).filter(({ entryType }) => entryType !== "label");
  return {
    nodes: branch.map((node, at) => ({ ...node, parentId: branch[at - 1]?.entryId ?? null })),
    messages,
  };
}

/** `get_tree`'s data as a plain tree; the text fields are left out. */
export function wireTree(data: JsonObject): PlainTree {
  const leaf = data.currentLeafId;
  const nodes = Array.isArray(data.nodes) ? data.nodes : [];
  return {
    leaf: typeof leaf === "string" ? leaf : null,
    nodes: nodes.map((node): PlainNode => {
      const [parentId, label] = [at(node, "parentId"), at(node, "label")];
      return {
        entryId: String(at(node, "entryId")),
        parentId: typeof parentId === "string" ? parentId : null,
        entryType: String(at(node, "entryType")),
        ...(typeof label === "string" ? { label } : {}),
      };
    }),
  };
}

/** A tree without what each fork makes anew: the ids of its label entries. */
export function withoutLabelEntries(tree: PlainTree): PlainNode[] {
  return tree.nodes.filter((node) => node.entryType !== "label");
}

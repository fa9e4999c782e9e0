// Does: carries out the commands that concern all nodes: lists, pending dialogs, health, subscriptions to all sessions.
// Used by: the router, through remote.ts. This node's own part is the router's.
// Invariant: no event of `*` is delivered before the one answer that joins those of all nodes.
import { tryParseRecord } from "../../../base/json.ts";
import type { Reply } from "../../../ipc/messages.ts";
import type { Failure } from "../../../protocol/errors.ts";
import type { Command, CommandOf } from "../../../protocol/schema/commands.ts";
import { SNAPSHOTS_BYTES } from "../../../governor/limits.ts";
import type { ReplyTo } from "../../journal/reply_to.ts";
import { asksForPage } from "../../lists/session_list.ts";
import type { Connection } from "../../router/connection.ts";
import type { Here } from "../remote.ts";
import type { Claims } from "../claims.ts";
import { type Gateway, goneNode } from "./gateway.ts";
import { answerOf, failureOf, isRefused } from "./answers.ts";
import type { AskPage, MergedList } from "./merged_list.ts";

export interface FanOutParts {
  readonly node: string;
  readonly gateway: Gateway;
  readonly claims: Claims;
  readonly lists: MergedList;
  /** The most bytes of an answer to a client that knows no pages. */
  readonly answerBytes: number;
  /** Whether this node has sessions and files of its own. */
  readonly hasOwn: boolean;
  has(sessionId: string): boolean;
}

/** The least bytes that an answer may be bounded to. */
const LEAST_BYTES = 16 * 1024;

/** Sessions that an answer names as unavailable, at most. */
const MOST_UNAVAILABLE = 1_000;

/** Commands over all nodes. */
export class FanOut {
  readonly #parts: FanOutParts;

  constructor(parts: FanOutParts) {
    this.#parts = parts;
  }

  /** Takes a command that concerns all nodes. False: it does not. */
  take(connection: Connection, command: Command, asker: ReplyTo, here: Here): boolean {
    if (this.#isOfOtherNode(command)) {
      asker.answer({ ok: false, failure: goneNode(command.node) });
      return true;
    }
    if (connection.peer.transport === "node") return false;
    switch (command.type) {
      case "list_sessions":
        void this.#listSessions(connection, command, here).then((reply) => asker.answer(reply));
        return true;
      case "list_stored_sessions":
      case "search":
        void this.#listStored(connection, command, here).then((reply) => asker.answer(reply));
        return true;
      case "list_pending_ui":
        if (command.sessionId !== undefined) return false;
        void this.#joined(connection, command, here, "requests").then(({ reply }) => asker.answer(reply));
        return true;
      case "subscribe":
        if (command.sessionId !== "*") return false;
        this.#subscribeAll(connection, command, asker, here);
        return true;
      case "health_check":
        void this.#health(connection, command, here).then((reply) => asker.answer(reply));
        return true;
      case "unsubscribe":
        if (command.sessionId !== "*") return false;
        void this.#unsubscribeAll(connection, command, here).then((reply) => asker.answer(reply));
        return true;
      default:
        return false;
    }
  }

  /** A repetition has come to the heir of the node that it names, and the heir has no answer for it. */
  #isOfOtherNode(command: Command): command is Command & { readonly node: string } {
    const { type } = command;
    if (type !== "create_session" && type !== "load_session") return false;
    return command.node !== undefined && command.node !== this.#parts.node;
  }

  async #listSessions(
    connection: Connection,
    command: CommandOf<"list_sessions">,
    here: Here,
  ): Promise<Reply> {
    const gone = command.cursor === undefined ? this.#unavailable(connection) : [];
    const extra = gone.length === 0 ? {} : { unavailable: gone };
    const nodes = ["", ...this.#parts.gateway.nodes];
    const ask = this.#askPage(connection, here);
    if (asksForPage(command)) return await this.#parts.lists.page(command, nodes, ask, { extra });
    const { reply, isCut } = await this.#joined(connection, command, here, "sessions", extra);
    if (!isCut && (!reply.ok || reply.dataText.length <= this.#parts.answerBytes)) return reply;
    // An older client gets as much as one answer holds.
    const bounds = {
      maxBytes: this.#parts.answerBytes,
      limit: Infinity,
      extra: { ...extra, truncated: true },
    };
    return await this.#parts.lists.page(command, nodes, ask, bounds);
  }

  async #listStored(
    connection: Connection,
    command: CommandOf<"list_stored_sessions"> | CommandOf<"search">,
    here: Here,
  ): Promise<Reply> {
    const { gateway, hasOwn, lists } = this.#parts;
    const nodes = [...(hasOwn ? [""] : []), ...gateway.nodes];
    const ask = this.#askPage(connection, here);
    if (command.type === "search") {
      return await lists.page(command, nodes, ask, { limit: command.limit ?? 50 });
    }
    const { cursor, sort, status, archived, query, limit } = command;
    const paged = [cursor, sort, status, archived, query].some((field) => field !== undefined);
    const whole = { plain: true, limit: limit ?? 1_000, maxBytes: this.#parts.answerBytes };
    return await lists.page(command, nodes, ask, paged ? {} : whole);
  }

  /** The issues of this node, and those of the others with their names. */
  async #health(connection: Connection, command: Command, here: Here): Promise<Reply> {
    const own = ownReply(here);
    const asked = this.#parts.gateway.nodes.map(async (node) => {
      const answer = answerOf(await this.#ask(connection, node, plain(command)));
      // A node that is lost is an issue of this one.
      return answer.ok ? issuesIn(answer.data).map((issue) => `Node ${node}: ${issue}`) : [];
    });
    const reply = await own;
    const others = (await Promise.all(asked)).flat();
    if (!reply.ok || others.length === 0) return reply;
    const issues = [...issuesIn(tryParseRecord(reply.dataText)), ...others];
    return { ok: true, dataText: JSON.stringify({ healthy: false, issues }) };
  }

  /** Sessions of nodes that are gone. */
  #unavailable(connection: Connection): { sessionId: string; node: string }[] {
    const { claims, gateway, node: self } = this.#parts;
    const alive = new Set([self, ...gateway.nodes]);
    const gone = claims.nodes.filter((node) => !alive.has(node));
    return gone.flatMap((node) => gateway.visible(connection, node).map((sessionId) => ({ sessionId, node })))
      .slice(0, MOST_UNAVAILABLE);
  }

  /** Joins the lists of all nodes, unread. `isCut`: one of them is not complete, so neither is the reply. */
  async #joined(
    connection: Connection,
    command: Command,
    here: Here,
    name: string,
    extra: Record<string, unknown> = {},
  ): Promise<{ readonly reply: Reply; readonly isCut: boolean }> {
    const { gateway } = this.#parts;
    const own = ownReply(here);
    const others = gateway.nodes.map((node) => this.#ask(connection, node, plain(command)));
    const reply = await own;
    if (!reply.ok) return { reply, isCut: false };
    // A node that is lost is one whose sessions are unavailable.
    const answers = (await Promise.all(others)).filter((answer) => typeof answer === "string");
    const refusal = answers.find(isRefused);
    if (refusal !== undefined) return { reply: { ok: false, failure: failureOf(refusal) }, isCut: false };
    const texts = [reply.dataText, ...answers];
    const isCut = texts.some((text) => text.slice(-400).includes('"truncated":true'));
    const lists = texts.map((text) => listIn(text, name));
    const tail = JSON.stringify({ ...extra, ...(isCut ? { truncated: true } : {}) }).slice(1);
    const all = lists.filter((text) => text !== "").join(",");
    return { reply: { ok: true, dataText: `{"${name}":[${all}]${tail === "}" ? "" : ","}${tail}` }, isCut };
  }

  /** Asks the others first, and holds their events. This node comes last, so that all events follow the one answer. */
  #subscribeAll(connection: Connection, command: CommandOf<"subscribe">, asker: ReplyTo, here: Here): void {
    const { gateway } = this.#parts;
    const { nodes } = gateway;
    const { from, snapshot } = command;
    if (from !== undefined && !("sessions" in from)) return here(asker);
    const share = from === undefined && snapshot !== true && command.maxBytes === undefined ? {} : {
      maxBytes: Math.max(
        LEAST_BYTES,
        Math.floor((command.maxBytes ?? SNAPSHOTS_BYTES) / (nodes.length + 1)),
      ),
    };
    const cursors = split(from?.sessions ?? {}, (id) => this.#ownerOf(id));
    const held: (() => void)[] = [];
    const texts: string[] = [];
    let open = nodes.length + 1;
    const release = (): void => {
      for (const fn of held.splice(0)) fn();
    };
    const finish = (): void => {
      if (--open > 0) return;
      const own = from === undefined ? {} : { from: { sessions: cursors.get("") ?? {} } };
      here({
        ...asker,
        onReleased: () => asker.onReleased(),
        answer: (reply) => {
          if (!reply.ok) asker.answer(reply);
          else {
            const all = [...texts, bodyIn(reply.dataText)].filter((text) => text !== "").join(",");
            asker.answer({ ...reply, dataText: `{"sessions":{${all}}}` });
          }
          release();
        },
      }, { ...command, ...own, ...(command.maxBytes === undefined ? {} : share) } as Command);
    };
    for (const node of nodes) {
      const link = gateway.link(connection, node);
      const asked = {
        ...plain(command),
        ...share,
        ...(from === undefined ? {} : { from: { sessions: cursors.get(node) ?? {} } }),
      };
      link.ask(asked, (answer) => {
        if (typeof answer === "string" && answer.includes('"success":true')) {
          link.hold();
          held.push(() => link.release());
          link.places.beginAll(wishesOf(command), answer, cursors.get(node));
          const at = answer.indexOf('"data":');
          texts.push(bodyIn(answer.slice(at + 7, -1)));
        }
        finish();
      });
    }
    finish();
  }

  async #unsubscribeAll(
    connection: Connection,
    command: CommandOf<"unsubscribe">,
    here: Here,
  ): Promise<Reply> {
    const { gateway } = this.#parts;
    const own = ownReply(here);
    let any = false;
    await Promise.all(gateway.nodes.map(async (node) => {
      const answer = await this.#ask(connection, node, plain(command));
      gateway.link(connection, node).places.end("*");
      any ||= typeof answer === "string" && answer.includes('"unsubscribed":true');
    }));
    const reply = await own;
    return any && reply.ok ? { ok: true, dataText: '{"unsubscribed":true}' } : reply;
  }

  #ownerOf(sessionId: string): string {
    const { has, claims, node } = this.#parts;
    const owner = has(sessionId) ? node : claims.ownerOf(sessionId);
    return owner === undefined || owner === node ? "" : owner;
  }

  #ask(connection: Connection, node: string, command: Record<string, unknown> & Pick<Command, "type">) {
    return new Promise<string | Failure>((resolve) =>
      this.#parts.gateway.link(connection, node).ask(command, resolve)
    );
  }

  #askPage(connection: Connection, here: Here): AskPage {
    return async (node, command) => {
      if (node === "") {
        const reply = await ownReply(here, command as Command);
        return reply.ok ? { ok: true, data: tryParseRecord(reply.dataText) ?? {} } : reply;
      }
      const answer = await this.#ask(
        connection,
        node,
        command as Record<string, unknown> & Pick<Command, "type">,
      );
      return answerOf(answer);
    };
  }
}

/** The reply of this node. */
function ownReply(here: Here, command?: Command): Promise<Reply> {
  return new Promise((resolve) => here({ connection: 0, onReleased: () => {}, answer: resolve }, command));
}

function issuesIn(health: Record<string, unknown> = {}): unknown[] {
  const { issues } = health;
  return Array.isArray(issues) ? issues : [];
}

/** The command without the client's own id. */
function plain(command: Command): Record<string, unknown> & Pick<Command, "type"> {
  const { id: _id, idempotencyKey: _key, ...fields } = command as Record<string, unknown> & Command;
  return { ...fields, type: command.type };
}

/** The fields of a subscription that hold again after a loss. */
function wishesOf({ updates, events, refs }: CommandOf<"subscribe">): Record<string, unknown> {
  return JSON.parse(JSON.stringify({ updates, events, refs }));
}

/** The items of the list of that name, as text. */
function listIn(text: string, name: string): string {
  const start = text.indexOf(`"${name}":[`);
  // The list is the first and only field of these answers.
  const end = text.lastIndexOf("]");
  return start < 0 || end < start ? "" : text.slice(start + name.length + 4, end);
}

/** What is inside of `{"sessions":{…}}`. */
function bodyIn(text: string): string {
  const start = '{"sessions":{';
  return text.startsWith(start) ? text.slice(start.length, text.lastIndexOf("}}")) : "";
}

function split<T>(
  sessions: Readonly<Record<string, T>>,
  ownerOf: (id: string) => string,
): Map<string, Record<string, T>> {
  const parts = new Map<string, Record<string, T>>();
  for (const [id, cursor] of Object.entries(sessions)) {
    const owner = ownerOf(id);
    const own = parts.get(owner) ?? {};
    own[id] = cursor;
    parts.set(owner, own);
  }
  return parts;
}

// Does: handles the server's own commands, alone or from the replies of several workers.
// Used by: the router. See docs/PROTOCOL.md#server-commands.
import type { Command, CommandName, CommandOf } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { exceeds } from "../../protocol/codec.ts";
import { commandSchema } from "../../protocol/json_schema.ts";
import { negotiate, PROTOCOL_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import type { Greeting } from "../../protocol/schema/responses.ts";
import { toJson } from "../../base/text.ts";
import { sees } from "../auth/access.ts";
import type { Reply, SessionState } from "../../ipc/messages.ts";
import { noSession } from "../../protocol/failures.ts";
import type { TokenStore } from "../auth/token_store.ts";
import type { SessionManager } from "../manager/session_manager.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { Connection, Wanted } from "./connection.ts";
import { asksForPage, type SessionList } from "../lists/session_list.ts";
import type { StoredSessions } from "../lists/stored_sessions.ts";
import type { ServerMetrics } from "./server_metrics.ts";
import type { SubscriptionService } from "./subscription_service.ts";

/** The router, as these commands need it. */
export interface OwnContext {
  readonly manager: SessionManager;
  readonly subscriber: SubscriptionService;
  readonly serverMetrics: ServerMetrics;
  readonly sessionList: SessionList;
  /** Absent where there is no disk. */
  readonly stored: StoredSessions | undefined;
  /** The most bytes of an answer to a client that knows no pages. */
  readonly answerBytes: number;
  readonly schema: { readonly all: Record<string, unknown>; readonly hash: string };
  now(): number;
  greeting(): Greeting;
  tokens(): TokenStore | undefined;
  connections(): readonly Connection[];
  /** All nodes of the cluster. Undefined outside of one, like the other. */
  nodes(): readonly unknown[] | undefined;
  /** Has a node end its work and leave. */
  drain(node: string): Promise<Reply> | undefined;
}

type Own = (router: OwnContext, connection: Connection, command: Command, replyTo: ReplyTo) => void;

function on<N extends CommandName>(
  name: N,
  run: (router: OwnContext, connection: Connection, command: CommandOf<N>, replyTo: ReplyTo) => void,
): readonly [N, Own] {
  // The caller looks up a handler by the command's type, so the command belongs to this entry.
  return [
    name,
    (router, connection, command, replyTo) => run(router, connection, command as CommandOf<N>, replyTo),
  ];
}

const NO_CATALOGUE = failure("internal", "This server has no catalogue of stored sessions");

/** A command on stored sessions. */
function onStored<N extends CommandName>(
  name: N,
  run: (stored: StoredSessions, command: CommandOf<N>) => Promise<Reply>,
): readonly [N, Own] {
  return on(name, (router, _, command, replyTo) => {
    if (router.stored === undefined) replyTo.answer({ ok: false, failure: NO_CATALOGUE });
    else void run(router.stored, command).then((reply) => replyTo.answer(reply));
  });
}

const answer = (replyTo: ReplyTo, data: unknown): void =>
  replyTo.answer({ ok: true, dataText: toJson(data) });

const refuse = (replyTo: ReplyTo, failed: Failure): void => replyTo.answer({ ok: false, failure: failed });

function hello(router: OwnContext, _: Connection, command: CommandOf<"hello">, replyTo: ReplyTo): void {
  const protocolVersion = negotiate(command.protocolVersions);
  if (protocolVersion === undefined) {
    const sentence = `This server speaks none of the offered protocol versions; offer ${PROTOCOL_VERSION}`;
    const data = { supported: [PROTOCOL_VERSION] };
    return refuse(replyTo, failure("unsupported_protocol_version", sentence, { data }));
  }
  const { capabilities, limits } = router.greeting().data;
  answer(replyTo, { protocolVersion, serverVersion: SERVER_VERSION, capabilities, limits });
}

function getSchema(
  router: OwnContext,
  _: Connection,
  command: CommandOf<"get_schema">,
  replyTo: ReplyTo,
): void {
  const { all, hash } = router.schema;
  const schema = command.command === undefined ? all : commandSchema(command.command);
  if (schema === undefined) {
    const sentence = `/command: there is no command "${command.command}"; leave it out to see all`;
    return refuse(replyTo, failure("invalid_params", sentence));
  }
  answer(replyTo, { schema, schemaHash: hash });
}

/** Joins the replies of all workers, for the sessions of the connection's token. */
function gather(
  manager: SessionManager,
  { access }: Connection,
  replyTo: ReplyTo,
  of: (session: SessionState) => readonly string[],
  around: (parts: string) => string,
): void {
  const { asked } = manager;
  // In the order of the workers, and not of their replies.
  const parts = new Map<number, readonly string[]>(asked.map((worker) => [worker, []]));
  let failed: Failure | undefined;
  // One more than workers, because there may be none to ask.
  let open = asked.length + 1;
  const finish = (): void => {
    if (--open > 0) return;
    if (failed !== undefined) refuse(replyTo, failed);
    else replyTo.answer({ ok: true, dataText: around([...parts.values()].flat().join(",")) });
  };
  manager.statesOfAll([], (sessions, worker) => {
    if ("code" in sessions) failed = sessions;
    else parts.set(worker, sessions.filter(({ sessionId }) => sees(access, sessionId)).flatMap(of));
    finish();
  });
  finish();
}

function listPendingUi(
  router: OwnContext,
  connection: Connection,
  command: CommandOf<"list_pending_ui">,
  replyTo: ReplyTo,
): void {
  const { manager } = router;
  const { sessionId } = command;
  const around = (requests: string): string => `{"requests":[${requests}]}`;
  if (sessionId === undefined) {
    return gather(manager, connection, replyTo, ({ pendingUi }) => pendingUi, around);
  }
  manager.stateOf(sessionId, false, (sessions) => {
    if ("code" in sessions) return refuse(replyTo, sessions);
    const [session] = sessions;
    if (session === undefined) refuse(replyTo, noSession(sessionId));
    else replyTo.answer({ ok: true, dataText: around(session.pendingUi.join(",")) });
  });
}

function listSessions(
  router: OwnContext,
  connection: Connection,
  command: CommandOf<"list_sessions">,
  replyTo: ReplyTo,
): void {
  const { manager, sessionList, answerBytes } = router;
  if (asksForPage(command)) return sessionList.page(command, connection.access, replyTo);
  const live = new Set<string>();
  const of = ({ sessionId, infoText }: SessionState): readonly string[] => {
    live.add(sessionId);
    return [sessionList.mark(sessionId, infoText)];
  };
  const whole: ReplyTo = {
    ...replyTo,
    onReleased: () => replyTo.onReleased(),
    answer: (reply) => {
      if (!reply.ok || !exceeds(reply.dataText, answerBytes)) return replyTo.answer(reply);
      // An older client gets as much as one answer holds, and `truncated` says that this is not all.
      const cut: ReplyTo = {
        ...whole,
        answer: (page) => {
          replyTo.answer(
            page.ok ? { ...page, dataText: `${page.dataText.slice(0, -1)},"truncated":true}` } : page,
          );
        },
      };
      sessionList.page({ ...command, limit: Infinity }, connection.access, cut, answerBytes);
    },
  };
  gather(manager, connection, whole, of, (infos) => {
    // Looked up now. A session that was parked after its worker's reply is in the list already.
    const seen = manager.parked.filter(({ sessionId }) => sees(connection.access, sessionId));
    const parked = seen.filter(({ sessionId }) => !live.has(sessionId))
      .map(({ sessionId, infoText }) => sessionList.mark(sessionId, infoText));
    return `{"sessions":[${[infos, ...parked].filter((text) => text !== "").join(",")}]}`;
  });
}

function subscribe(
  router: OwnContext,
  connection: Connection,
  command: CommandOf<"subscribe">,
  replyTo: ReplyTo,
): void {
  const wanted: Wanted = {
    updates: command.updates ?? "delta",
    ...(command.events === undefined ? {} : { events: new Set(command.events) }),
    ...(command.refs === true ? { refs: true } : {}),
  };
  const { sessionId, from, maxBytes, snapshot = false } = command;
  if (wanted.refs === true && wanted.updates === "full") {
    const sentence =
      '/refs: goes with updates "delta", since "full" repeats whole messages; leave one of them out';
    return refuse(replyTo, failure("invalid_params", sentence));
  }
  const request = { connection, wanted, snapshot, replyTo, ...(maxBytes === undefined ? {} : { maxBytes }) };
  const ofAll = from !== undefined && "sessions" in from;
  if (from !== undefined && ofAll !== (sessionId === "*")) {
    const shape = sessionId === "*" ? "{sessions: {<id>: {epoch, seq}}}" : "{epoch, seq}";
    return refuse(replyTo, failure("invalid_params", `/from: expected ${shape} for this sessionId`));
  }
  if (sessionId === "*") router.subscriber.subscribeAll(request, ofAll ? from.sessions : {});
  else router.subscriber.subscribe(request, sessionId, ofAll ? undefined : from);
}

/** Minted tokens are in the state folder, which exists before any client can ask. */
const NO_TOKENS = failure("internal", "There is no state folder yet; try again");

function mintToken(
  router: OwnContext,
  { access }: Connection,
  command: CommandOf<"mint_token">,
  replyTo: ReplyTo,
): void {
  const { role, sessions, label, ttlMs } = command;
  if (role === "admin" && sessions !== undefined) {
    const sentence = `/sessions: a token of the role admin is for all sessions; leave "sessions" out`;
    return refuse(replyTo, failure("invalid_params", sentence));
  }
  if (ttlMs === undefined && (role !== "observe" || sessions !== undefined)) {
    const which = 'only a token for /metrics lives until it is revoked (role "observe", no "sessions")';
    return refuse(replyTo, failure("invalid_params", `/ttlMs: ${which}; say how long this one lives`));
  }
  const minting = {
    parent: access.id,
    role,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(sessions === undefined ? {} : { sessions }),
    ...(label === undefined ? {} : { label }),
  };
  const made = router.tokens()?.mint(minting) ?? Promise.resolve(NO_TOKENS);
  void made.then((minted) => "code" in minted ? refuse(replyTo, minted) : answer(replyTo, minted));
}

function listTokens(router: OwnContext, _: Connection, __: unknown, replyTo: ReplyTo): void {
  const open = new Map<string, number>();
  for (const { access } of router.connections()) open.set(access.id, (open.get(access.id) ?? 0) + 1);
  const tokens = router.tokens()?.list() ?? [];
  answer(replyTo, { tokens: tokens.map((one) => ({ ...one, connections: open.get(one.tokenId) ?? 0 })) });
}

function revokeToken(
  router: OwnContext,
  _: Connection,
  command: CommandOf<"revoke_token">,
  replyTo: ReplyTo,
): void {
  const done = router.tokens()?.revoke(command.tokenId) ?? Promise.resolve(NO_TOKENS);
  void done.then((revoked) =>
    typeof revoked === "boolean" ? answer(replyTo, { revoked }) : refuse(replyTo, revoked)
  );
}

const NO_CLUSTER = failure("node_not_found", "This server is in no cluster; start it with --cluster");

function drainNode(
  router: OwnContext,
  _: Connection,
  { node }: CommandOf<"drain_node">,
  asker: ReplyTo,
): void {
  const drained = router.drain(node);
  if (drained === undefined) refuse(asker, NO_CLUSTER);
  else void drained.then((reply) => asker.answer(reply));
}

/** The router's own commands by name. */
export const OWN_COMMANDS: ReadonlyMap<string, Own> = new Map<string, Own>([
  on("hello", hello),
  on("ping", (router, _connection, _command, replyTo) => answer(replyTo, { now: router.now() })),
  on("get_schema", getSchema),
  on(
    "get_metrics",
    (router, _connection, _command, replyTo) => answer(replyTo, router.serverMetrics.metrics()),
  ),
  on("health_check", (router, { peer }, _command, replyTo) => {
    // Another node sees the cluster itself.
    void router.serverMetrics.health(peer.transport !== "node").then((health) => answer(replyTo, health));
  }),
  on("list_sessions", listSessions),
  on("create_session", (router, connection, command, replyTo) => {
    connection.usedSessions.add(router.manager.createSession(command, replyTo));
  }),
  on("load_session", (router, connection, command, replyTo) => {
    router.manager.loadSession(command, replyTo, (sessionId) => connection.usedSessions.add(sessionId));
  }),
  onStored("list_stored_sessions", (stored, command) => stored.list(command)),
  onStored("search", (stored, command) => stored.search(command)),
  onStored("archive_session", (stored, command) => stored.archive(command, true)),
  onStored("unarchive_session", (stored, command) => stored.archive(command, false)),
  onStored("rename_stored_session", (stored, command) => stored.rename(command)),
  onStored("delete_stored_session", (stored, command) => stored.delete(command)),
  on("list_pending_ui", listPendingUi),
  on("list_nodes", (router, _connection, _command, asker) => {
    answer(asker, { nodes: router.nodes() ?? [] });
  }),
  on("drain_node", drainNode),
  on("mint_token", mintToken),
  on("list_tokens", listTokens),
  on("revoke_token", revokeToken),
  on("subscribe", subscribe),
  on("unsubscribe", (router, connection, command, replyTo) => {
    answer(replyTo, { unsubscribed: router.subscriber.unsubscribe(connection, command.sessionId) });
  }),
  on("switch_session", (router, connection, command, replyTo) => {
    const { sessionId, ifSessionVersion } = command;
    const version = ifSessionVersion === undefined ? {} : { ifSessionVersion };
    const request = {
      connection,
      wanted: { updates: "full" } as const,
      snapshot: false,
      replyTo,
      ...version,
    };
    router.subscriber.switch(request, sessionId);
  }),
]);

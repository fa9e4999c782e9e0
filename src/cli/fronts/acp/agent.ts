// Does: the agent of the Agent Client Protocol: takes each request of the editor to a session of the server.
// Used by: src/cli/fronts/acp.ts. Uses: acp_session.ts for what is open, session_list.ts for what there is.
import {
  agent,
  type AgentApp,
  type AgentContext,
  type ClientCapabilities,
  type McpServer,
  PROTOCOL_VERSION,
} from "@agentclientprotocol/sdk";
import { SERVER_VERSION } from "../../../protocol/version.ts";
import type { Client } from "../../../client/mod.ts";
import type { Io } from "../../subcommand.ts";
import { AcpSession } from "./acp_session.ts";
import { acpError, invalid, loginNeeded, notOpen } from "./errors.ts";
import type { ServerLink } from "./server_link.ts";
import { findSession, listSessions } from "./session_list.ts";
import type { Words } from "./words.ts";

const LOGIN = "pi-login";

/** What an editor may give with a session, and pi has no place for. */
interface Extras {
  readonly mcpServers?: readonly McpServer[];
  readonly additionalDirectories?: readonly string[];
}

/** Runs a handler; what goes wrong is the editor's error. */
async function answered<T>(work: () => Promise<T>, sessionId?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw acpError(error, sessionId);
  }
}

function wordsOf({ mcpServers = [] }: Extras): Words | undefined {
  if (mcpServers.length === 0) return undefined;
  const names = mcpServers.map(({ name }) => name).join(", ");
  return {
    severity: "warning",
    title: `pi has no MCP servers, so these were left out: ${names}. Extensions of pi can add tools.`,
  };
}

function checkFolders({ additionalDirectories = [] }: Extras): void {
  if (additionalDirectories.length > 0) {
    throw invalid("a session of pi has one folder; leave additionalDirectories out");
  }
}

/** The agent of one editor. */
export class EditorAgent {
  readonly #link: ServerLink;
  readonly #io: Io;
  readonly #sessions = new Map<string, AcpSession>();
  #capabilities: ClientCapabilities = {};

  constructor(link: ServerLink, io: Io) {
    this.#link = link;
    this.#io = io;
  }

  /** The handlers, to be connected to a stream. */
  app(): AgentApp {
    return agent({ name: "pi-server" })
      .onRequest("initialize", ({ params }) =>
        answered(async () => {
          this.#capabilities = params.clientCapabilities ?? {};
          // An editor learns at the start that there is no server.
          await this.#link.client();
          return {
            protocolVersion: PROTOCOL_VERSION,
            agentInfo: { name: "pi-server", title: "pi", version: SERVER_VERSION },
            agentCapabilities: {
              loadSession: true,
              promptCapabilities: { image: true, audio: false, embeddedContext: true },
              mcpCapabilities: { http: false, sse: false },
              sessionCapabilities: { list: {}, resume: {}, close: {} },
            },
            authMethods: [{
              id: LOGIN,
              name: "Log in with pi",
              description: "Run pi in a terminal and type /login, or set a provider's key such as " +
                "ANTHROPIC_API_KEY for the server. Then try again.",
            }],
          };
        }))
      .onRequest("authenticate", ({ params }) => answered(() => this.#authenticate(params.methodId)))
      .onRequest("session/new", ({ params, client }) =>
        answered(async () => {
          checkFolders(params);
          const server = await this.#link.client();
          const { sessionId } = await server.request("create_session", { cwd: params.cwd });
          const session = await this.#open(sessionId, sessionId, client, false);
          return { sessionId, ...this.#begun(session, params) };
        }))
      .onRequest("session/load", ({ params, client }) => this.#take(params.sessionId, params, client, true))
      .onRequest(
        "session/resume",
        ({ params, client }) => this.#take(params.sessionId, params, client, false),
      )
      .onRequest("session/list", ({ params }) =>
        answered(async () =>
          await listSessions(
            await this.#link.client(),
            params.cwd ?? undefined,
            params.cursor ?? undefined,
          )
        ))
      .onRequest("session/close", ({ params }) =>
        answered(async () => {
          await this.#session(params.sessionId).close();
          this.#sessions.delete(params.sessionId);
        }, params.sessionId))
      .onRequest("session/set_mode", ({ params }) =>
        answered(
          async () => await this.#session(params.sessionId).setMode(params.modeId),
          params.sessionId,
        ))
      .onRequest("session/set_config_option", ({ params }) =>
        answered(async () => {
          const session = this.#session(params.sessionId);
          return { configOptions: await session.setOption(params.configId, params.value) };
        }, params.sessionId))
      .onRequest("session/prompt", ({ params, signal }) =>
        answered(async () => {
          const session = this.#session(params.sessionId);
          return { stopReason: await session.prompt(params.prompt, signal) };
        }, params.sessionId))
      .onNotification(
        "session/cancel",
        ({ params }) =>
          answered(async () => await this.#sessions.get(params.sessionId)?.cancel(), params.sessionId),
      );
  }

  #session(id: string): AcpSession {
    const session = this.#sessions.get(id);
    if (session === undefined) throw notOpen(id);
    return session;
  }

  /** Opens a session that exists. */
  #take(id: string, extras: Extras, editor: AgentContext, replay: boolean) {
    return answered(async () => {
      checkFolders(extras);
      const sessionId = await findSession(await this.#link.client(), id);
      const session = await this.#open(id, sessionId, editor, replay);
      return this.#begun(session, extras);
    }, id);
  }

  async #open(id: string, sessionId: string, editor: AgentContext, replay: boolean): Promise<AcpSession> {
    for (const session of this.#sessions.values()) {
      if (session.sessionId !== sessionId) continue;
      if (session.id !== id) throw invalid(`this session is open already, under the id "${session.id}"`);
      await session.close();
      this.#sessions.delete(id);
    }
    const parts = { link: this.#link, io: this.#io, editor, capabilities: this.#capabilities };
    const session = await AcpSession.open(id, sessionId, parts, replay);
    this.#sessions.set(id, session);
    return session;
  }

  /** The answer that opens a session. Its updates begin behind it: the SDK writes it before any timer fires. */
  #begun(session: AcpSession, extras: Extras) {
    this.#io.after(0, () => session.start(wordsOf(extras)));
    return session.settings ?? {};
  }

  /** Succeeds when pi has credentials; else says how to log in. */
  async #authenticate(methodId: string): Promise<void> {
    if (methodId !== LOGIN) throw invalid(`there is no way to log in named "${methodId}"; use ${LOGIN}`);
    const client = await this.#link.client();
    if (!await this.#hasModels(client)) throw loginNeeded();
  }

  async #hasModels(client: Client): Promise<boolean> {
    const [open] = this.#sessions.values();
    const sessionId = open?.sessionId ??
      (await client.request("create_session", { inMemory: true })).sessionId;
    try {
      return (await client.request("get_available_models", { sessionId })).models.length > 0;
    } finally {
      if (open === undefined) await client.request("delete_session", { sessionId });
    }
  }
}

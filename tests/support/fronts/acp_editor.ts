// An editor for tests: starts `pi-server acp`, speaks with it through the SDK's client, answers what it asks, and keeps
// every message of both sides. `check` holds each one to the JSON Schema that the SDK ships.
import {
  client,
  type ClientCapabilities,
  type ClientConnection,
  type CreateElicitationRequest,
  type CreateElicitationResponse,
  methods,
  ndJsonStream,
  type PromptResponse,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionNotification,
  type SessionUpdate,
} from "@agentclientprotocol/sdk";
import schema from "@agentclientprotocol/sdk/schema/v1/schema.json" with { type: "json" };
import { Compile, type Validator } from "typebox/schema";
import { programOf, variables } from "../server/command_line.ts";
import { brief, isObject, type JsonObject } from "../base/json.ts";
import type { Home } from "../server/server_process.ts";
import { deadline } from "../base/wait.ts";

type Def = { "x-method"?: string; "x-side"?: string };
const DEFS = schema.$defs as unknown as Record<string, Def>;
const WAIT_MS = 60_000;

/** The schema of a method's parameters or result; `kind` is the end of its name. */
function defOf(method: string, kind: "Request" | "Response" | "Notification"): string | undefined {
  return Object.entries(DEFS).find(([name, def]) => def["x-method"] === method && name.endsWith(kind))?.[0];
}

const validators = new Map<string, Validator>();

function faultOf(def: string, value: unknown): string | undefined {
  let validator = validators.get(def);
  if (validator === undefined) {
    validators.set(def, validator = Compile({ $ref: `#/$defs/${def}`, $defs: DEFS } as object));
  }
  if (validator.Check(value)) return undefined;
  const [, errors] = validator.Errors(value);
  return `${def}: ${JSON.stringify(errors).slice(0, 400)}`;
}

/** One message, and who sent it. */
export interface Sent {
  readonly by: "editor" | "agent";
  readonly message: JsonObject;
}

/** What the person does with a question. */
export type Answer =
  & ((request: RequestPermissionRequest) => Promise<RequestPermissionResponse> | RequestPermissionResponse)
  & object;
/** What the person writes into a form. */
export type Fill = (
  request: CreateElicitationRequest,
) => Promise<CreateElicitationResponse> | CreateElicitationResponse;

/** How the editor is. */
export interface EditorOptions {
  /** Another agent in the place of `pi-server acp`. */
  readonly program?: { readonly program: string; readonly args: readonly string[] };
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly capabilities?: ClientCapabilities;
  readonly answer?: Answer;
  readonly fill?: Fill;
  /** Milliseconds that it takes for each piece that it reads. */
  readonly readMs?: number;
}

/** Faults of messages against the schemas. */
export function faultsOf(sent: readonly Sent[]): string[] {
  const faults: string[] = [];
  const open = new Map<string, string>();
  for (const { by, message } of sent) {
    const other = by === "editor" ? "agent" : "editor";
    const say = (fault: string | undefined): void => {
      if (fault !== undefined) faults.push(`${by}: ${fault} in ${brief(message, 600)}`);
    };
    if (message.jsonrpc !== "2.0") say("no JSON-RPC 2.0");
    const { id, method } = message;
    if (typeof method === "string") {
      if (id !== undefined) open.set(`${by} ${id}`, method);
      const def = method === "$/cancel_request"
        ? "CancelRequestNotification"
        : defOf(method, id === undefined ? "Notification" : "Request");
      if (def === undefined) say(`unknown method ${method}`);
      else say(faultOf(def, message.params ?? {}));
    } else {
      const asked = open.get(`${other} ${id}`);
      if (asked === undefined) {
        if (id !== null) say("an answer to nothing");
      } else if (message.error !== undefined) say(faultOf("Error", message.error));
      else {
        const def = defOf(asked, "Response");
        if (def === undefined) say(`no schema for the answer to ${asked}`);
        else say(faultOf(def, message.result));
      }
      open.delete(`${other} ${id}`);
    }
  }
  return faults;
}

/** An editor with its agent. */
export class Editor {
  readonly child: Deno.ChildProcess;
  readonly connection: ClientConnection;
  /** All messages, in order. */
  readonly sent: Sent[] = [];
  /** All updates, in order. */
  readonly updates: SessionNotification[] = [];
  #stderr = "";
  #changed = Promise.withResolvers<void>();
  readonly #read: Promise<void>;

  constructor(home: Home, options: EditorOptions = {}) {
    const own = programOf();
    const { program, args } = options.program ?? { ...own, args: [...own.args, "acp"] };
    this.child = new Deno.Command(program, {
      args: [...args, ...options.args ?? []],
      cwd: home.root,
      clearEnv: true,
      env: variables(home, options.env),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const keep = (by: Sent["by"]) =>
      new TransformStream<unknown, never>({
        transform: (message, controller) => {
          this.sent.push({ by, message: structuredClone(message) as JsonObject });
          this.#wake();
          controller.enqueue(message as never);
        },
      });
    const slow = new TransformStream<Uint8Array, Uint8Array>({
      transform: async (bytes, controller) => {
        if (options.readMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.readMs));
        controller.enqueue(bytes);
      },
    });
    const { readable, writable } = ndJsonStream(this.child.stdin, this.child.stdout.pipeThrough(slow));
    const outward = keep("editor");
    void outward.readable.pipeTo(writable).catch(() => {});
    const { stderr } = this.child;
    this.#read = (async () => {
      for await (const text of stderr.pipeThrough(new TextDecoderStream())) this.#stderr += text;
    })();
    this.connection = client({ name: "editor" })
      .onNotification(methods.client.session.update, ({ params }) => {
        this.updates.push(params);
        this.#wake();
      })
      .onRequest(methods.client.session.requestPermission, async ({ params }) => {
        if (options.answer === undefined) throw new Error("this editor shows no permissions");
        return await options.answer(params);
      })
      .onRequest(methods.client.elicitation.create, async ({ params }) => {
        if (options.fill === undefined) throw new Error("this editor has no forms");
        return await options.fill(params);
      })
      .connect({ readable: readable.pipeThrough(keep("agent")), writable: outward.writable });
  }

  /** Starts one and initializes it. */
  static async start(home: Home, options: EditorOptions = {}): Promise<Editor> {
    const editor = new Editor(home, options);
    try {
      await editor.initialize(options.capabilities);
      return editor;
    } catch (error) {
      await editor[Symbol.asyncDispose]();
      throw error;
    }
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The requests of the editor. */
  get agent(): ClientConnection["agent"] {
    return this.connection.agent;
  }

  initialize(capabilities: ClientCapabilities = {}) {
    const request = this.agent.request("initialize", {
      protocolVersion: 1,
      clientInfo: { name: "test", version: "1" },
      clientCapabilities: capabilities,
    });
    return deadline(request, WAIT_MS, () => `the answer to initialize; stderr: ${this.#stderr}`);
  }

  /** A new session. */
  async session(cwd: string): Promise<string> {
    return (await this.agent.request("session/new", { cwd, mcpServers: [] })).sessionId;
  }

  /** Sends a prompt and waits for its end. */
  async prompt(sessionId: string, text: string): Promise<string> {
    const prompt = [{ type: "text", text } as const];
    const answer: Promise<PromptResponse> = this.agent.request("session/prompt", { sessionId, prompt });
    const late = (): string => `the end of "${text}"; ${brief(this.updates, 3000)}`;
    return (await deadline(answer, WAIT_MS, late)).stopReason;
  }

  /** The updates of one kind of a session. */
  of<K extends SessionUpdate["sessionUpdate"]>(
    sessionId: string,
    kind: K,
  ): Extract<SessionUpdate, { sessionUpdate: K }>[] {
    return this.updates.flatMap(({ sessionId: id, update }) =>
      id === sessionId && update.sessionUpdate === kind
        ? [update as Extract<SessionUpdate, { sessionUpdate: K }>]
        : []
    );
  }

  /** The text of all chunks of one kind. */
  text(
    sessionId: string,
    kind: "agent_message_chunk" | "agent_thought_chunk" | "user_message_chunk" = "agent_message_chunk",
  ): string {
    return this.of(sessionId, kind).map(({ content }) => content.type === "text" ? content.text : "").join(
      "",
    );
  }

  /** Waits until that is so. */
  async until<T>(find: () => T | undefined | false, what: string): Promise<T> {
    const seen = async (): Promise<T> => {
      for (;;) {
        const found = find();
        if (found !== undefined && found !== false) return found;
        await this.#changed.promise;
      }
    };
    return await deadline(seen(), WAIT_MS, () => `${what}; ${brief(this.updates, 3000)}; ${this.#stderr}`);
  }

  /** What becomes of a tool call in the end: all of its updates in one. */
  toolCall(sessionId: string, toolCallId: string): JsonObject {
    const all = this.updates.map(({ sessionId: id, update }) => id === sessionId ? update : undefined)
      .filter((update) => isObject(update) && update.toolCallId === toolCallId);
    return Object.assign({}, ...all);
  }

  /** Throws unless every message is valid. */
  check(): void {
    const faults = faultsOf(this.sent);
    if (faults.length > 0) throw new Error(faults.join("\n"));
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Closes stdin, and waits for the end. */
  async end(): Promise<number> {
    this.connection.close();
    await this.child.stdin.close().catch(() => {});
    const { code } = await deadline(this.child.status, WAIT_MS, () => `the end; stderr: ${this.#stderr}`);
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close();
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.child.status;
    await this.#read;
  }
}

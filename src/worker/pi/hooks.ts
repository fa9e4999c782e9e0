// Does: runs the `input` and `user_bash` handlers of extensions before a client's command.
// Used by: agent.ts. pi itself calls `input` through the same function.
// Invariant: a handler that throws refuses the command, because the text might have to be blocked.
import { errorMessage } from "../../base/error_message.ts";
import { SEEN } from "./engines/seen.ts";
import { pi } from "./engines/packages.ts";
import { isRecord } from "../../base/json.ts";
import type { PromptImage, PromptInput, QueueKind } from "../session/agent_port.ts";
import type { PiSession } from "./live_session.ts";

type Runner = PiSession["extensionRunner"];
type Handler = (event: Readonly<Record<string, unknown>>, context: unknown) => unknown;
type UserBash = NonNullable<Awaited<ReturnType<Runner["emitUserBash"]>>>;
type Input = Awaited<ReturnType<Runner["emitInput"]>>;

interface Hook {
  readonly extensionPath: string;
  readonly handler: Handler;
}

/** The handlers of one event, in pi's order. */
function hooksOf(runner: Runner, event: string): Hook[] {
  const extensions: unknown = Reflect.get(runner, "extensions");
  if (!Array.isArray(extensions)) throw new Error("This pi keeps its extensions in another way");
  return extensions.flatMap(({ path, handlers }: { path: string; handlers: Map<string, Handler[]> }) =>
    (handlers.get(event) ?? []).map((handler) => ({ extensionPath: path, handler }))
  );
}

/** Calls one handler. Reports its error and throws it again. */
async function call<T>(
  runner: Runner,
  event: string,
  { extensionPath, handler }: Hook,
  run: (handler: Handler) => T,
) {
  try {
    return await run(handler);
  } catch (thrown) {
    const error = errorMessage(thrown);
    runner.emitError({ extensionPath, event, error });
    throw new Error(`The ${event} handler of ${extensionPath} failed: ${error}`);
  }
}

async function emitInput(
  this: Runner,
  text: string,
  images: PromptImage[] | undefined,
  source: string,
  streamingBehavior?: QueueKind,
): Promise<Input> {
  if (source === SEEN) return { action: "continue" };
  const context = this.createContext();
  let seen: { text: string; images: PromptImage[] | undefined } = { text, images };
  for (const hook of hooksOf(this, "input")) {
    const result = await call(this, "input", hook, async (handler) => {
      const given = await handler({ type: "input", ...seen, source, streamingBehavior }, context);
      if (isRecord(given) && given["action"] === "transform" && typeof given["text"] !== "string") {
        throw new Error('A result with the action "transform" needs a text');
      }
      return given as Input | undefined;
    });
    if (result?.action === "handled") return result;
    if (result?.action === "transform") seen = { text: result.text, images: result.images ?? seen.images };
  }
  if (seen.text === text && seen.images === images) return { action: "continue" };
  return {
    action: "transform",
    text: seen.text,
    ...(seen.images === undefined ? {} : { images: seen.images }),
  };
}

function isUserBash(value: unknown): value is UserBash {
  if (!isRecord(value) || (value["operations"] === undefined) === (value["result"] === undefined)) {
    return false;
  }
  const { operations, result } = value;
  if (operations !== undefined) return isRecord(operations) && typeof operations["exec"] === "function";
  if (!isRecord(result) || typeof result["output"] !== "string") return false;
  const isOptional = (name: string, type: string): boolean =>
    result[name] === undefined || typeof result[name] === type;
  return typeof result["cancelled"] === "boolean" && typeof result["truncated"] === "boolean" &&
    isOptional("exitCode", "number") && isOptional("fullOutputPath", "string");
}

async function emitUserBash(this: Runner, event: Parameters<Runner["emitUserBash"]>[0]) {
  const context = this.createContext();
  for (const hook of hooksOf(this, "user_bash")) {
    const result = await call(this, "user_bash", hook, async (handler) => {
      const given = await handler({ ...event }, context);
      if (given === undefined || given === null || isUserBash(given)) return given ?? undefined;
      throw new Error(
        "A result needs either operations with exec, or a result with output, cancelled and truncated",
      );
    });
    if (result !== undefined) return result;
  }
  return undefined;
}

/** Makes a hook that throws refuse the command, in every session of this thread. */
export function refuseOnThrow(): void {
  Object.assign(pi.ExtensionRunner.prototype, { emitInput, emitUserBash });
}

/** The message after the `input` handlers. Undefined when one of them took it. */
export async function seeInput(
  { extensionRunner }: PiSession,
  { message, images }: PromptInput,
  kind: QueueKind,
): Promise<PromptInput | undefined> {
  if (!extensionRunner.hasHandlers("input")) return { message, images };
  const given = images.length === 0 ? undefined : [...images];
  const result = await Reflect.apply(emitInput, extensionRunner, [message, given, "rpc", kind]);
  if (result.action === "handled") return undefined;
  return result.action === "transform"
    ? { message: result.text, images: result.images ?? images }
    : { message, images };
}

/** The result or the operations of the `user_bash` handlers. Undefined leaves the command to pi. */
export async function seeBash(
  { extensionRunner, sessionManager }: PiSession,
  command: string,
  excludeFromContext: boolean,
): Promise<UserBash | undefined> {
  if (!extensionRunner.hasHandlers("user_bash")) return undefined;
  const cwd = sessionManager.getCwd();
  return await extensionRunner.emitUserBash({ type: "user_bash", command, excludeFromContext, cwd });
}

// Calls the handler of a command: whatever it throws, now or later, is a failure like any other.
import type { Command } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Handled, Handler } from "./session_context.ts";

/** @param defect tells what was thrown, and makes a failure of it */
export function callHandler<S>(
  handlers: ReadonlyMap<string, Handler<S>>,
  session: S,
  command: Command,
  defect: (error: unknown) => Failure,
): Handled | Promise<Handled> {
  const handler = handlers.get(command.type);
  if (handler === undefined) {
    return { ok: false, failure: failure("unknown_command", `${command.type} is not for a session`) };
  }
  const failed = (error: unknown): Handled => ({ ok: false, failure: defect(error) });
  try {
    const handled = handler.run(session, command);
    return handled instanceof Promise ? handled.catch(failed) : handled;
  } catch (error) {
    return failed(error);
  }
}

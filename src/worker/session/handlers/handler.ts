// Does: types a handler, a function from a session and a command to an outcome, and registers it by command.
// Used by: the files of this folder. Invariant: a handler gets exactly the command that it is registered for.
import type { CommandName, CommandOf } from "../../../protocol/schema/commands.ts";
import { type Outcome, writtenByOther } from "../../../protocol/failures.ts";
import type { Handled, Handler, OnTimeout, Session } from "../session.ts";

/** An entry of the map of handlers. */
export type Entry = readonly [CommandName, Handler];

/** Registers `run` for the command of that name. */
export function on<N extends CommandName>(
  name: N,
  run: (session: Session, command: CommandOf<N>) => Handled | Promise<Handled>,
  onTimeout?: OnTimeout,
): Entry {
  const handler: Handler = {
    // The command of a look-up has the type of its entry.
    run: run as Handler["run"],
    ...(onTimeout === undefined ? {} : { onTimeout }),
  };
  return [name, handler];
}

/**
 * Registers a command that makes pi write or read the session's file. Refused when another program has changed
 * the file.
 */
export function onFile<N extends CommandName>(
  name: N,
  run: (session: Session, command: CommandOf<N>) => Handled | Promise<Handled>,
  onTimeout?: OnTimeout,
): Entry {
  return on(name, (session, command) => externalWrite(session) ?? run(session, command), onTimeout);
}

/** Success. */
export function done(value: unknown): Handled {
  return { ok: true, value };
}

/** Success with a value that may be large. It is written when the reply leaves the worker. */
export function written(write: () => string): Handled {
  return { ok: true, value: undefined, write };
}

/**
 * Refuses when another program has written to the file. pi would write a second branch beside it, and lose one.
 */
export function externalWrite(session: Session): Extract<Outcome<never>, { ok: false }> | undefined {
  const file = session.agent.externalWrite();
  return file === undefined ? undefined : { ok: false, failure: writtenByOther(file) };
}

// What a handler is: a function from a session and one of its commands to an outcome, and how the map of
// handlers is typed, so that a handler gets exactly the command that it is registered for.
import type { CommandName, CommandOf } from "../../../protocol/schema/commands.ts";
import { writtenByOther } from "../../../protocol/failures.ts";
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

/** The same, for a command that makes pi write to the session's file or read it anew: refused when it is not as left. */
export function onFile<N extends CommandName>(
  name: N,
  run: (session: Session, command: CommandOf<N>) => Handled | Promise<Handled>,
  onTimeout?: OnTimeout,
): Entry {
  return on(name, (session, command) => foreignWrite(session) ?? run(session, command), onTimeout);
}

/** Success. */
export function done(value: unknown): Handled {
  return { ok: true, value };
}

/** Success with an answer that may be large: it is written when it leaves the worker. */
export function written(write: () => string): Handled {
  return { ok: true, value: undefined, write };
}

/** What pi would write next goes beside what another program has written: the branch of one would be lost. */
export function foreignWrite(session: Session): Handled | undefined {
  const file = session.agent.foreignWrite();
  return file === undefined ? undefined : { ok: false, failure: writtenByOther(file) };
}

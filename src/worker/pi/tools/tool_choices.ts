// Does: knows which tools of a session a client or an extension has switched on or off.
// Used by: saved_state.ts, which keeps the choices over a restart, and factory.ts.
// Invariant: every other tool is as pi would have it now; a choice outlives a start without its tool.
import type { AgentKept } from "../../../ipc/session_record.ts";

/** The part of pi's session that knows its tools. */
export interface SessionTools {
  getAllTools(): readonly { readonly name: string }[];
  getActiveToolNames(): string[];
  setActiveToolsByName(names: string[]): void;
}

/** What was chosen, by the names of tools. */
export interface Choices {
  readonly toolsOff: readonly string[];
  readonly toolsOn: readonly string[];
}

const namesOf = (session: SessionTools): string[] => session.getAllTools().map(({ name }) => name);

/** The choices of one session. */
export class ToolChoices {
  /** Tools that pi leaves off until they are chosen. */
  readonly #dormant: ReadonlySet<string>;
  readonly #off: ReadonlySet<string>;
  readonly #on: ReadonlySet<string>;
  /** Chosen tools that are not there yet, such as those of a server that still connects. */
  readonly #awaited: Set<string>;

  /** @param session just built, with the tools that pi gives it */
  constructor(session: SessionTools, kept: AgentKept | undefined) {
    const active = session.getActiveToolNames();
    this.#dormant = new Set(namesOf(session).filter((name) => !active.includes(name)));
    const { toolsOff, toolsOn, tools = [] } = kept ?? {};
    this.#on = new Set(toolsOn ?? tools);
    // An older record has the active tools alone. Of those that are missing there, only pi's own were surely there.
    const missing = kept === undefined ? [] : BUILT_IN.filter((name) => !tools.includes(name));
    this.#off = new Set(toolsOff ?? missing);
    this.#awaited = new Set([...this.#off, ...this.#on]);
  }

  /** Puts the choices into effect, also for tools that have been registered since. */
  apply(session: SessionTools): void {
    const active = session.getActiveToolNames();
    const known = new Set(namesOf(session));
    for (const name of known) this.#awaited.delete(name);
    const wanted = active.filter((name) => !this.#off.has(name));
    const added = [...this.#on].filter((name) => known.has(name) && !active.includes(name));
    if (wanted.length !== active.length || added.length > 0) {
      session.setActiveToolsByName([...wanted, ...added]);
    }
  }

  /** Puts the choices about tools into effect that have come since, once for each. Later choices stand. */
  applyLate(session: SessionTools): void {
    const arrived = namesOf(session).filter((name) => this.#awaited.delete(name));
    if (arrived.length === 0) return;
    const active = session.getActiveToolNames();
    const rest = active.filter((name) => !arrived.includes(name) || !this.#off.has(name));
    const added = arrived.filter((name) => this.#on.has(name) && !active.includes(name));
    if (rest.length !== active.length || added.length > 0) session.setActiveToolsByName([...rest, ...added]);
  }

  /** What is chosen now; choices about tools that are not there now stay as they were. */
  of(session: SessionTools): Choices {
    const active = new Set(session.getActiveToolNames());
    const known = new Set(namesOf(session));
    const gone = (names: ReadonlySet<string>): string[] => [...names].filter((name) => !known.has(name));
    const off = [...known].filter((name) => !active.has(name) && !this.#dormant.has(name));
    const on = [...active].filter((name) => this.#dormant.has(name));
    return { toolsOff: [...off, ...gone(this.#off)], toolsOn: [...on, ...gone(this.#on)] };
  }
}

/** Tools that pi switches on in every session. */
const BUILT_IN: readonly string[] = ["read", "bash", "edit", "write"];

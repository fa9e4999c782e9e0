// How a case of `pi-server attach` is written: terminals of tmux that run the target's own program against one shared
// server. Where tmux is missing the cases are left out by name.

import { alone, type Bench, shared, TARGET } from "../suite.ts";
import { commandOf } from "../../support/server/server_process.ts";
import { findTmux, Terminal, type TerminalOptions } from "../../support/fronts/tmux.ts";

const HAS_TMUX = await findTmux();

/** A case, and the terminals that it opens. */
export interface Stage {
  readonly bench: Bench;
  /** Runs `pi-server attach` in a new terminal. */
  attach(args: readonly string[], options?: Partial<TerminalOptions>): Promise<Terminal>;
}

/** The command line of `pi-server attach` for the target of this run. */
export function attachCommand(bench: Bench, args: readonly string[]): string[] {
  const { program, args: own } = commandOf();
  const sandbox = own.at(-2) === "--sandbox" ? own.slice(0, -2) : own;
  return [program, ...sandbox, "attach", "--state-dir", bench.home.stateDir, ...args];
}

/** Runs a body with terminals that are closed after it. */
async function staged(bench: Bench, body: (stage: Stage) => Promise<void>): Promise<void> {
  const terminals: Terminal[] = [];
  try {
    await body({
      bench,
      async attach(args, options = {}) {
        const terminal = await Terminal.run(bench.home, attachCommand(bench, args), {
          cwd: bench.home.root,
          ...options,
        });
        terminals.push(terminal);
        return terminal;
      },
    });
  } finally {
    for (const terminal of terminals) await terminal.close();
  }
}

/** Cases that share one server. */
export function attachCases(
  args: string[] = [],
  prepare?: (bench: Bench) => Promise<void>,
): (name: string, body: (stage: Stage) => Promise<void>) => void {
  if (!HAS_TMUX) return leftOut;
  const test = shared(args, prepare);
  return (name, body) => test(name, (bench) => staged(bench, body));
}

/** A case that starts its own servers. */
export function attachAlone(name: string, body: (stage: Stage) => Promise<void>): void {
  if (HAS_TMUX) alone(name, (bench) => staged(bench, body));
  else leftOut(name);
}

/** Leaves a case out, and says why. */
function leftOut(name: string): void {
  Deno.test.ignore(`[${TARGET}] ${name} (tmux is not there)`, () => {});
}

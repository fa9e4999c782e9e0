// Does: asks npm once for its global folder, and gives the answer to all package managers of pi in this worker.
// Used by: factory.ts, before the first session.
// Invariant: it keeps an answer for a minute, so a change of npm needs no restart. It keeps no failure.
import type { Clock } from "../../../runtime/runtime.ts";

/** The question to npm starts a program and stops the thread for half a second; a load asks three times. */
const KEPT_MS = 60_000;

interface Answer {
  readonly folder: unknown;
  readonly at: number;
}

/** Shares the answers between the package managers of that class, by the npm command of their settings. */
export function shareNpmFolder(managers: object, clock: Clock): void {
  const ask: unknown = Reflect.get(managers, "getGlobalNpmRoot");
  const name: unknown = Reflect.get(managers, "getNpmCommand");
  if (typeof ask !== "function" || typeof name !== "function") {
    throw new Error("This pi finds npm's global folder in another way");
  }
  const answers = new Map<string, Answer>();
  Reflect.set(managers, "getGlobalNpmRoot", function (this: object): unknown {
    const command = JSON.stringify(Reflect.apply(name, this, []));
    const known = answers.get(command);
    if (known !== undefined && clock.monotonic() - known.at < KEPT_MS) return known.folder;
    const folder: unknown = Reflect.apply(ask, this, []);
    answers.set(command, { folder, at: clock.monotonic() });
    return folder;
  });
}

// Does: remembers which engine this thread loads, from before the first import of pi.
// Used by: session_worker.ts, which chooses, and sdk/sdk.ts, which loads. Imports no pi.
// Invariant: a thread loads one engine, once. A second choice that differs is an error.
import { DEFAULT_PI, type Engine } from "../../../protocol/pi_package.ts";

let chosen: Engine | undefined;
let loaded = false;

/** Chooses the engine of this thread. Throws when the thread has loaded the other one. */
export function chooseEngine(engine: Engine): void {
  if (loaded && engine !== chosen) {
    throw new Error(
      `This thread has loaded pi ${chosen}, so it cannot load pi ${engine}; start a server with workers instead`,
    );
  }
  chosen = engine;
}

/** The engine to load. From now on the choice stands. */
export function engineToLoad(): Engine {
  loaded = true;
  chosen ??= DEFAULT_PI === "auto" ? "0.73" : DEFAULT_PI;
  return chosen;
}

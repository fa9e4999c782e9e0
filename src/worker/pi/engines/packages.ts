// Does: loads the packages of the chosen engine, for the files that work with both engines.
// Used by: the files of src/worker/pi beside the engines' own. They take types from 0.73.
// Invariant: it imports nothing that imports pi, since an engine's own file may reach it while sdk/sdk.ts waits for that.
import type * as Ai from "@mariozechner/pi-ai";
import type * as Pi from "@mariozechner/pi-coding-agent";
import { engineToLoad } from "./choice.ts";

interface Packages {
  readonly pi: typeof Pi;
  readonly ai: typeof Ai;
}

async function load(): Promise<Packages> {
  if (engineToLoad() === "0.73") {
    const [pi, ai] = await Promise.all([
      import("@mariozechner/pi-coding-agent"),
      import("@mariozechner/pi-ai"),
    ]);
    return { pi, ai };
  }
  const [pi, ai] = await Promise.all([
    import("@earendil-works/pi-coding-agent"),
    import("@earendil-works/pi-ai/compat"),
  ]);
  // `deno task check:newer` holds the same files to the types of 1.6, with deno.types-1.6.json.
  const packages: { readonly pi: unknown; readonly ai: unknown } = { pi, ai };
  return packages as Packages;
}

/** The packages of the engine that this thread runs. */
export const { pi, ai }: Packages = await load();

// Does: has a thread keep what V8 has compiled of each module in a folder, as pi's own command line does.
// Used by: node.ts. Node has this from version 22 on.
// Invariant: only the user may write to the folder, since its content is run.
import Module from "node:module";

/** From now on, modules of this thread load from that folder. Where it cannot be written, nothing changes. */
export function keepCompiledCode(folder: string): void {
  const enable: unknown = Reflect.get(Module, "enableCompileCache");
  if (typeof enable === "function") Reflect.apply(enable, Module, [folder]);
}

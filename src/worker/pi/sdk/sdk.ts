// Does: opens the file of the chosen engine, which holds what differs between the versions of pi.
// Used by: the files of this folder and its parent. Uses: sdk/sdk_0_73.ts or sdk/sdk_1_6.ts, and never both.
// Invariant: both files have the same exports (tests/engines_test.ts).
import type * as Own from "./sdk_0_73.ts";
import { engineToLoad } from "../engines/choice.ts";

async function load(): Promise<typeof Own> {
  if (engineToLoad() === "0.73") return await import("./sdk_0_73.ts");
  // The import map of deno.types-1.6.json holds the callers to the types of 1.6.
  const engine: unknown = await import("./sdk_1_6.ts");
  return engine as typeof Own;
}

const engine = await load();

export type Models = Own.Models;
export type Services = Own.Services;
export type ServicesOptions = Own.ServicesOptions;
export type Accounts = Own.Accounts;
export type Placed = Own.Placed;
export type Preflight = Own.Preflight;
export const Accounts: typeof Own.Accounts = engine.Accounts;
export const FILE_FORMAT: typeof Own.FILE_FORMAT = engine.FILE_FORMAT;
export const RENAMED: typeof Own.RENAMED = engine.RENAMED;
export const BINDINGS: typeof Own.BINDINGS = engine.BINDINGS;
export const PROCESS_MARKS: typeof Own.PROCESS_MARKS = engine.PROCESS_MARKS;
export const IMAGE_TYPES: typeof Own.IMAGE_TYPES = engine.IMAGE_TYPES;
export const modelsOf: typeof Own.modelsOf = engine.modelsOf;
export const levelOf: typeof Own.levelOf = engine.levelOf;
export const levelHere: typeof Own.levelHere = engine.levelHere;
export const listen: typeof Own.listen = engine.listen;
export const isRunning: typeof Own.isRunning = engine.isRunning;
export const whenIdle: typeof Own.whenIdle = engine.whenIdle;
export const endWaits: typeof Own.endWaits = engine.endWaits;
export const stop: typeof Own.stop = engine.stop;
export const hasQueued: typeof Own.hasQueued = engine.hasQueued;
export const resume: typeof Own.resume = engine.resume;
export const enqueue: typeof Own.enqueue = engine.enqueue;
export const messagesOf: typeof Own.messagesOf = engine.messagesOf;
export const statsOf: typeof Own.statsOf = engine.statsOf;
export const treeOf: typeof Own.treeOf = engine.treeOf;
export const exitCodeOf: typeof Own.exitCodeOf = engine.exitCodeOf;
export const timeoutMsOf: typeof Own.timeoutMsOf = engine.timeoutMsOf;
export const dispositionOf: typeof Own.dispositionOf = engine.dispositionOf;
export const loadWarnings: typeof Own.loadWarnings = engine.loadWarnings;
export const builtIns: typeof Own.builtIns = engine.builtIns;
export const BUILT_IN_NAMES: typeof Own.BUILT_IN_NAMES = engine.BUILT_IN_NAMES;
export const LATE_TOOLS: typeof Own.LATE_TOOLS = engine.LATE_TOOLS;
export const selectedModel: typeof Own.selectedModel = engine.selectedModel;
export const tellTrust: typeof Own.tellTrust = engine.tellTrust;
export const passesPreflight: typeof Own.passesPreflight = engine.passesPreflight;

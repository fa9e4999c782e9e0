// Does: chooses the node for a new session: the one with the most room. Pure.
// Used by: gateway.ts. A node's word is up to a second old, so what was sent there since counts too.
import type { NodeInfo } from "../../../protocol/schema/monitoring_commands.ts";

/** How much more room than this node another one must have. Otherwise the session stays here. */
const MARGIN = 1.05;

/** The part of its room that a node is expected to lose with each session that its word does not show yet. */
const SHARE = 0.05;

/**
 * How much room a node has, from 0 to 1: the free parts of its slots, its memory and its processors, multiplied, so that
 * each one counts whichever is the scarcest. @param placed sessions that were sent there since its word
 */
export function roomOf({ sessions, memoryBytes, machineBytes, load, self }: NodeInfo, placed = 0): number {
  // This node knows its own sessions at once. Load and memory follow later on every node.
  const live = sessions.live + (self === true ? 0 : placed);
  const slots = sessions.limit === 0 ? 0 : 1 - live / sessions.limit;
  const memory = machineBytes === 0 ? 1 : 1 - memoryBytes / machineBytes;
  // A machine that is busy beyond its processors has little room, and still more than none.
  const processors = 1 / (1 + Math.max(0, load));
  return Math.max(0, slots) * Math.max(0, memory) * processors / (1 + SHARE * placed);
}

/** Whether a node takes new sessions. */
export function takesSessions({ state, gateway }: NodeInfo): boolean {
  return state === "running" && gateway !== true;
}

/** The nodes that take sessions, the one with the most room first. @param placed sessions sent there since its word */
export function byRoom(nodes: readonly NodeInfo[], placed: (node: string) => number): readonly NodeInfo[] {
  const room = (info: NodeInfo): number =>
    roomOf(info, placed(info.node)) * (info.self === true ? MARGIN : 1);
  return nodes.filter(takesSessions).sort((a, b) => room(b) - room(a));
}

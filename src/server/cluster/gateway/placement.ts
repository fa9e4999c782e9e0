// Does: chooses the node for a new session: the one with the most room. Pure.
// Used by: gateway.ts. A node's word is up to a second old, so what was sent there since counts too.
import type { NodeInfo } from "../../../protocol/schema/monitoring_commands.ts";

/** Room above that of this node which another node must have. Otherwise the session stays here. */
const MARGIN = 0.05;

/** How much room a node has, from 0 to 1: the least of its slots, its memory and its processors. */
export function roomOf({ sessions, memoryBytes, machineBytes, load }: NodeInfo, placed = 0): number {
  const slots = sessions.limit === 0 ? 0 : 1 - (sessions.live + placed) / sessions.limit;
  const memory = machineBytes === 0 ? 1 : 1 - memoryBytes / machineBytes;
  // A machine that is busy beyond its processors has little room, and still more than none.
  const processors = 1 / (1 + Math.max(0, load));
  return Math.max(0, Math.min(slots, memory, processors));
}

/** Whether a node takes new sessions. */
export function takesSessions({ state, gateway }: NodeInfo): boolean {
  return state === "running" && gateway !== true;
}

/** The nodes that take sessions, the one with the most room first. @param placed sessions sent there since its word */
export function byRoom(nodes: readonly NodeInfo[], placed: (node: string) => number): readonly NodeInfo[] {
  const room = (info: NodeInfo): number =>
    roomOf(info, placed(info.node)) + (info.self === true ? MARGIN : 0);
  return nodes.filter(takesSessions).sort((a, b) => room(b) - room(a));
}

// Does: shows all nodes of the cluster, and a sentence for each thing in it that is not well. Pure.
// Used by: cluster.ts, for list_nodes, metrics and health_check.
import type { NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import { PROTOCOL_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import type { Claims } from "./claims.ts";
import type { Members } from "./members.ts";

/** What a node knows of its cluster. */
export interface ClusterView {
  readonly self: NodeInfo;
  readonly members: Pick<Members, "alive" | "gone" | "heardItself">;
  readonly claims: Pick<Claims, "nodes" | "sessionsOf" | "conflicts">;
  /** Whether NATS is reachable. */
  readonly connected: boolean;
  /** Another server has taken this node's name. */
  readonly displaced: boolean;
  /** Whether this node may have sessions now. */
  readonly leased: boolean;
}

/** All nodes, this one first. */
export function nodesOf({ self, members, claims }: ClusterView): readonly NodeInfo[] {
  const alive = members.alive.map(({ info }) => info);
  const gone = members.gone.map(({ info }): NodeInfo => ({ ...info, state: "gone" }));
  const known = new Set([self.node, ...[...alive, ...gone].map(({ node }) => node)]);
  const others = [...alive, ...gone].sort((a, b) => a.node < b.node ? -1 : 1);
  const unheard = claims.nodes.filter((node) => !known.has(node)).map(unheardNode);
  return [{ ...self, self: true }, ...others, ...unheard];
}

/** What is not well. */
export function issuesOf(view: ClusterView): readonly string[] {
  const { self, members, claims } = view;
  const issues: string[] = [];
  if (view.displaced) {
    issues.push(
      `Another server has taken the name ${self.node} in the cluster: give one of the two another --node`,
    );
  } else if (!view.connected || !members.heardItself) {
    issues.push("NATS is unreachable: this node serves its own sessions alone");
  }
  if (!view.leased) {
    issues.push(
      "This node has lost its lease: its sessions wait until NATS answers, or continue on another node",
    );
  }
  for (const { info } of members.gone) {
    const sessions = claims.sessionsOf(info.node).length;
    if (sessions > 0) {
      issues.push(`Node ${info.node} is gone, and ${sessions} sessions with it: start it again`);
    }
  }
  for (const { info } of members.alive) {
    if (info.version === SERVER_VERSION && info.protocolVersion === PROTOCOL_VERSION) continue;
    issues.push(
      `Node ${info.node} runs pi-server ${info.version}, this one ${SERVER_VERSION}: finish the upgrade`,
    );
  }
  for (const sessionId of claims.conflicts) {
    issues.push(`Another node owns the id "${sessionId}" as well: delete one of the two sessions`);
  }
  return issues;
}

/** A node that owns sessions, and was not heard since this one was started. */
function unheardNode(node: string): NodeInfo {
  return {
    node,
    version: "",
    protocolVersion: "",
    pi: "",
    state: "gone",
    sessions: { live: 0, parked: 0, limit: 0 },
    memoryBytes: 0,
    machineBytes: 0,
    load: 0,
  };
}

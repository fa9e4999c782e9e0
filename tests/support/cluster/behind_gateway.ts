// Runs the conformance suite through a gateway (`PI_SERVER_THROUGH=gateway`): each server that a case starts becomes
// two nodes of a cluster of its own. The owner has the case's home, flags and sessions, and clients reach the gateway.

import { type NatsOptions, NatsServer } from "./nats_server.ts";

/** Whether cases reach their servers through a gateway. */
export const THROUGH_GATEWAY: boolean = Deno.env.get("PI_SERVER_THROUGH") === "gateway";

/** The one nats-server of this run; each state folder has a cluster of its own in it. */
export const NATS: NatsServer | undefined = THROUGH_GATEWAY
  ? await NatsServer.start({} as NatsOptions)
  : undefined;

if (NATS !== undefined) {
  const nats = NATS;
  globalThis.addEventListener("unload", () => nats.abandon());
}

/** Names of the two nodes. */
export const [OWNER, GATEWAY] = ["owner", "gateway"] as const;

/** Flags about where a server listens, which its owner must not have twice, with their values. */
const OF_LISTENING: readonly string[] = ["--port", "--host"];

/** Flags about workers, which a gateway does not have. */
const OF_WORKERS: readonly string[] = ["--workers", "--isolation"];

function without(args: readonly string[], flags: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (flags.includes(arg)) at++;
    else if (!flags.includes(arg.split("=")[0] ?? "")) kept.push(arg);
  }
  return kept;
}

/** A cluster for one state folder: the same after a restart. */
function clusterOf(stateDir: string): string[] {
  const name = stateDir.replaceAll(/[^A-Za-z0-9]+/g, "-").replace(/^-/, "").slice(-60);
  return ["--cluster", NATS?.url ?? "", "--cluster-name", name];
}

/** The flags of the node that has the sessions. */
export function ownerArgs(stateDir: string, args: readonly string[]): string[] {
  return [...without(args, OF_LISTENING), "--port", "0", ...clusterOf(stateDir), "--node", OWNER];
}

/** The flags of the node that clients reach. */
export function gatewayArgs(stateDir: string, args: readonly string[]): string[] {
  const own = ["--state-dir", gatewayDir(stateDir), "--workers", "none", "--node", GATEWAY];
  return [...without(args, OF_WORKERS), ...clusterOf(stateDir), ...own];
}

/** The state folder of the gateway before a server with that one. */
export function gatewayDir(stateDir: string): string {
  return `${stateDir}-gateway`;
}

/** Whether a server with these arguments gets a gateway. One over stdio, or without a socket, is reached itself. */
export function hasGateway(args: readonly string[], mode: "ws" | "stdio", plain: boolean): boolean {
  return THROUGH_GATEWAY && plain && mode === "ws" && !args.includes("--no-ws");
}

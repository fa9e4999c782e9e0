// With PI_SERVER_THROUGH=gateway every server that a case starts is a gateway, and its sessions live on a node behind
// it, over a nats-server of this test process. The case knows nothing of it.

import { NatsServer } from "./nats_server.ts";

/** Whether this run goes through a gateway. */
export const THROUGH_GATEWAY: boolean = Deno.env.get("PI_SERVER_THROUGH") === "gateway";

let nats: Promise<NatsServer> | undefined;
let clusters = 0;
const names = new Map<string, string>();

/** The cluster of a home: the same one for each server over it. */
async function clusterArgs(home: string): Promise<string[]> {
  nats ??= NatsServer.start();
  const { url } = await nats;
  const name = names.get(home) ?? `t${++clusters}`;
  names.set(home, name);
  return ["--cluster", url, "--cluster-name", name];
}

// A test run that ends early must not leave it behind.
globalThis.addEventListener("unload", () => void nats?.then((server) => server.kill()));
Deno.test.afterAll(async () => {
  const server = await nats;
  nats = undefined;
  await server?.[Symbol.asyncDispose]();
});

/** Arguments without these flags and their values. */
function without(args: readonly string[], ...flags: readonly string[]): string[] {
  return args.filter((arg, index) => {
    const [name = ""] = arg.split("=");
    return !flags.includes(name) && !flags.includes(args[index - 1] ?? "");
  });
}

/** The arguments of the node behind the gateway. */
export async function nodeArgs(home: string, args: readonly string[]): Promise<string[]> {
  return [
    ...without(args, "--port", "--host", "--stdio", "--state-dir"),
    ...["--node", "behind", "--port", "0", "--stdio", "off", "--state-dir", `${home}/state-behind`],
    ...await clusterArgs(home),
  ];
}

/** The arguments of the gateway. */
export async function gatewayArgs(home: string, args: readonly string[]): Promise<string[]> {
  return [
    ...without(args, "--workers", "--isolation"),
    ...["--node", "gateway", "--workers", "none"],
    ...await clusterArgs(home),
  ];
}

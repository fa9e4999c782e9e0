// Does: joins the cluster: credentials, the bucket and its format, the clock, and the name of this node.
// Used by: cluster.ts. Every reason against it is a sentence, and nothing was changed then.
import { errorMessage } from "../../base/error_message.ts";
import { tryParseRecord } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import type { ClusterConfig } from "../../config/cluster_config.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { type Bus, ClusterError } from "./bus.ts";

/** The version of the entries in the bucket. Nodes of other versions must not read each other's. */
export const FORMAT = 1;

/** Milliseconds that this machine's clock may differ from NATS's. Tokens end by the clock. */
const MOST_SKEW_MS = 60_000;

export interface JoinParts {
  readonly cluster: ClusterConfig;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly node: string;
  /** Id of this start of the node. */
  readonly instance: string;
  /** Id of the state folder. */
  readonly state: string;
  readonly login?: { readonly user: string; readonly password: string };
}

/** What a node has after it joined. */
export interface Joined {
  readonly bus: Bus;
  /** Id of the bucket. A new bucket in its place has another one. */
  readonly bucketId: string;
}

/** The key of a node's registration. */
export const nodeKey = (node: string): string => `node.${node}`;

/** The first words of all subjects of a cluster. */
export const prefixOf = (cluster: string): string => `pi-server.${cluster}`;

/** The subject on which only that start of a node answers. */
export const aliveSubject = (cluster: string, instance: string): string =>
  `${prefixOf(cluster)}.alive.${instance}`;

/** Joins. Throws `ClusterError`. */
export async function join(parts: JoinParts): Promise<Joined> {
  const { cluster, runtime, log, node } = parts;
  const credentials = await readCredentials(parts);
  const { connectNats } = await import("./nats_bus.ts");
  const bus = await connectNats({
    servers: cluster.servers,
    cluster: cluster.name,
    client: `pi-server ${node}`,
    log,
    ...credentials,
    ...(cluster.caFile === undefined ? {} : { caFile: cluster.caFile }),
  });
  try {
    const bucketId = await checkFormat(bus, cluster, runtime);
    await checkClock(bus, runtime);
    bus.answer(aliveSubject(cluster.name, parts.instance));
    await takeName(bus, parts);
    if (!bus.confidential) {
      log.warn(
        `THE CLUSTER IS OPEN TO THE NETWORK: all that clients send and read crosses ${
          cluster.servers.join(", ")
        } without encryption; give nats-server a certificate, and use tls://`,
      );
    }
    return { bus, bucketId };
  } catch (error) {
    await bus.close().catch(() => {});
    if (error instanceof ClusterError) throw error;
    throw new ClusterError(
      `--cluster: the bucket cannot be used: ${errorMessage(error)}; look at nats-server's log`,
    );
  }
}

async function readCredentials(
  { cluster: { credsFile, caFile }, runtime, login }: JoinParts,
): Promise<{ creds?: string; login?: { user: string; password: string } }> {
  if (caFile !== undefined && await runtime.files.stat(caFile) === undefined) {
    throw new ClusterError(`--cluster-tls-ca: ${caFile} does not exist; name the file with the certificates`);
  }
  if (credsFile === undefined) return login === undefined ? {} : { login };
  const text = await runtime.files.readAny(credsFile).catch(() => undefined);
  if (text === undefined) {
    throw new ClusterError(
      `--cluster-creds: ${credsFile} cannot be read; name a file that this user may read`,
    );
  }
  if (text.includes("BEGIN NATS USER JWT")) return { creds: text };
  const [, user, password] = /^([^:\s]+):(\S+)\s*$/.exec(text) ?? [];
  if (user === undefined || password === undefined) {
    throw new ClusterError(
      `--cluster-creds: ${credsFile} is neither a credentials file of NATS nor a line with user:password; make it one`,
    );
  }
  return { login: { user, password } };
}

/** Makes the bucket this version's, or finds that it is another one's. Returns its id. */
async function checkFormat(bus: Bus, { name }: ClusterConfig, runtime: Runtime): Promise<string> {
  const mine = JSON.stringify({ format: FORMAT, id: runtime.uuid() });
  const made = await bus.create("format", mine);
  const { format, id } = tryParseRecord(made !== undefined ? mine : (await bus.get("format"))?.value) ?? {};
  if (format === FORMAT && typeof id === "string") return id;
  throw new ClusterError(
    `--cluster: the bucket of cluster "${name}" has the format ${
      String(format)
    }, and this server reads ${FORMAT}; use one version of pi-server, or another --cluster-name`,
  );
}

/** Registers the name. Throws when a living node has it. */
async function takeName(bus: Bus, { cluster, node, instance, state }: JoinParts): Promise<void> {
  const key = nodeKey(node);
  const value = JSON.stringify({ instance, state });
  const known = await bus.get(key);
  if (known === undefined) {
    if (await bus.create(key, value) === undefined) throw nameTaken(node);
  } else {
    const { instance: other } = tryParseRecord(known.value) ?? {};
    const lives = typeof other === "string" && await bus.ask(aliveSubject(cluster.name, other));
    if (lives || await bus.update(key, value, known.revision) === undefined) throw nameTaken(node);
  }
}

/** Throws when this machine's clock is far from that of NATS. */
async function checkClock(bus: Bus, runtime: Runtime): Promise<void> {
  const skew = runtime.now() - await bus.clock();
  if (Math.abs(skew) <= MOST_SKEW_MS) return;
  const minutes = Math.round(Math.abs(skew) / 60_000);
  const how = skew > 0 ? "ahead of" : "behind";
  throw new ClusterError(
    `--cluster: this machine's clock is ${minutes} minutes ${how} that of NATS, and tokens end by the clock; set the clock (NTP), and start again`,
  );
}

function nameTaken(node: string): ClusterError {
  return new ClusterError(
    `--node: a node "${node}" is in the cluster already; give each node a name of its own with --node`,
  );
}

// Does: reads the flags of a cluster, and checks them together. Pure.
// Used by: config.ts. See docs/CLUSTER.md.
// Invariant: no secret is part of the configuration. User and password come from the environment or a file.
import { NODE_NAME_PATTERN } from "../protocol/schema/command_spec.ts";

/** How a server joins a cluster. */
export interface ClusterConfig {
  /** Addresses of NATS servers, such as `nats://10.0.0.1:4222`. */
  readonly servers: readonly string[];
  /** Nodes with the same name of the cluster find each other. */
  readonly name: string;
  /** The name of this node. Absent: the machine's name. */
  readonly node?: string;
  /** A credentials file of NATS, or one with `user:password`. */
  readonly credsFile?: string;
  /** The certificates that sign those of the NATS servers. */
  readonly caFile?: string;
  /** Whether nodes take over the sessions of dead ones. Folders of sessions and states are on a shared file system. */
  readonly shared?: true;
}

/** The flags, as config.ts has read them. */
export interface ClusterFlags {
  text(name: string): string | undefined;
  /** Whether a switch is on. */
  on(name: string): boolean;
  /** Where a value comes from, for errors. */
  from(name: string): string;
}

const NAME = new RegExp(NODE_NAME_PATTERN);

/** The flags that mean nothing without `--cluster`. */
const WITH_CLUSTER = ["cluster-creds", "cluster-tls-ca", "cluster-name", "node"] as const;

const SHARED = "shared-sessions";

function checkServer(text: string, from: string): string {
  const form = "expected nats://host:4222 or tls://host:4222, several with commas between them";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["nats:", "tls:"].includes(url.protocol) || url.hostname === "") {
    throw new RangeError(`${from}: ${form}, got "${text}"`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new RangeError(
      `${from}: other users see the command line; put the user and the password into PI_SERVER_CLUSTER_USER and PI_SERVER_CLUSTER_PASSWORD, or into the file of --cluster-creds`,
    );
  }
  if (!["", "/"].includes(url.pathname) || url.search !== "") {
    throw new RangeError(`${from}: ${form}, got "${text}"`);
  }
  return `${url.protocol}//${url.host}`;
}

function nameOf(flags: ClusterFlags, flag: string): string | undefined {
  const text = flags.text(flag);
  if (text === undefined || NAME.test(text)) return text;
  throw new RangeError(`${flags.from(flag)}: expected 1 to 64 letters, digits, "_" or "-", got "${text}"`);
}

/** How to join the cluster; undefined without `--cluster`. Throws `RangeError` with a sentence. */
export function clusterOf(flags: ClusterFlags): ClusterConfig | undefined {
  const addresses = flags.text("cluster");
  if (addresses === undefined) {
    const stray = flags.on(SHARED) ? SHARED : WITH_CLUSTER.find((flag) => flags.text(flag) !== undefined);
    if (stray === undefined) return undefined;
    throw new RangeError(`${flags.from(stray)}: means nothing without --cluster; add that, or leave it out`);
  }
  const node = nameOf(flags, "node");
  const credsFile = flags.text("cluster-creds");
  const caFile = flags.text("cluster-tls-ca");
  return {
    servers: addresses.split(",").map((one) => checkServer(one.trim(), flags.from("cluster"))),
    name: nameOf(flags, "cluster-name") ?? "pi",
    ...(node === undefined ? {} : { node }),
    ...(credsFile === undefined ? {} : { credsFile }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(flags.on(SHARED) ? { shared: true } : {}),
  };
}

/** What is wrong with a server's place in a cluster; undefined when nothing is. */
export function clusterFault({ cluster, ephemeral, workers, isolation }: {
  readonly cluster?: ClusterConfig;
  readonly ephemeral: boolean;
  readonly workers: number;
  readonly isolation: string;
}, gateway: boolean): string | undefined {
  if (gateway && cluster === undefined) {
    return "--workers none: a server without sessions leads to those of a cluster; add --cluster";
  }
  if (cluster?.shared !== true) return undefined;
  const flag = "--shared-sessions:";
  if (ephemeral) return `${flag} a server with --ephemeral keeps no session; leave one of the two out`;
  if (workers > 0 || isolation === "session") return undefined;
  return `${flag} needs --workers 1 or more, because the server can end only threads at once`;
}

/** The same with absolute paths only. */
export function withAbsoluteFiles(
  { credsFile, caFile, ...cluster }: ClusterConfig,
  absolute: (path: string) => string,
): ClusterConfig {
  return {
    ...cluster,
    ...(credsFile === undefined ? {} : { credsFile: absolute(credsFile) }),
    ...(caFile === undefined ? {} : { caFile: absolute(caFile) }),
  };
}

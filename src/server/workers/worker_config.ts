// Does: makes the start configuration of workers from the server's configuration.
// Used by: server.ts.
import { defined } from "../../base/json.ts";
import type { Config } from "../../config/config.ts";
import type { Engine } from "../../protocol/pi_package.ts";
import type { WorkerConfig } from "../../ipc/messages.ts";
import type { TrustStore } from "../state/trust_store.ts";
import type { Runtime } from "../../runtime/runtime.ts";

export interface WorkerConfigParts {
  readonly config: Config;
  readonly engine: Engine;
  /** The proxy in pi's settings. */
  readonly httpProxy?: string | undefined;
  readonly runtime: Runtime;
  readonly trust: TrustStore;
  readonly stateDir: string;
  /** The memory limit of a worker in bytes. */
  readonly memoryBytes: number;
  readonly outputDir: string;
  /** Tag of the processes that workers start. */
  readonly serverTag: string;
  /** The name of this node of a cluster. */
  readonly node?: string | undefined;
}

/** Builds the worker configuration. Getters are read each time a worker starts, also on a restart. */
export function workerConfig(
  { config, engine, httpProxy, runtime, trust, stateDir, outputDir, memoryBytes, serverTag, node }:
    WorkerConfigParts,
): WorkerConfig {
  const absolute = (path: string): string => runtime.absolute(path);
  return {
    engine,
    ...defined({ httpProxy }),
    cwd: absolute(config.cwd ?? "."),
    ...(config.roots === undefined ? {} : { roots: config.roots.map(absolute) }),
    closed: [stateDir],
    trustProjects: config.trustProjects,
    get trustedFolders(): readonly string[] {
      return trust.folders;
    },
    serverTag,
    resources: config.resources,
    demo: config.demo,
    memoryBytes,
    outputDir,
    pendingUi: config.limits.pendingUiPerSession,
    turnStallMs: config.limits.turnStallMs,
    ...defined({ budget: config.budget, node, shared: config.cluster?.shared }),
  };
}

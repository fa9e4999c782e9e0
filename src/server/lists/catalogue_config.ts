// Does: makes the configuration and the permissions of the catalogue's thread from those of the server and its workers.
// Used by: server.ts.
import { agentFolder, namedSessionFolder } from "../../base/pi_folders.ts";
import type { Config } from "../../config/config.ts";
import type { CatalogueConfig } from "../../ipc/catalogue_messages.ts";
import type { Engine } from "../../protocol/pi_package.ts";
import type { Runtime, WorkerPermissions } from "../../runtime/runtime.ts";

/** The limit of the thread's heap, where the runtime can enforce it. */
export const CATALOGUE_HEAP_BYTES: number = 1024 * 1024 * 1024;

export interface CatalogueFacts {
  readonly config: Config;
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly stateDir: string;
}

/** The folder of the index. It may be deleted while the server does not run. */
export function indexFolder({ files }: Pick<Runtime, "files">, stateDir: string): string {
  return files.join(stateDir, "catalogue");
}

/** pi's folders of sessions, as pi finds them. */
function sessionFolders(runtime: Runtime): string[] {
  const named = namedSessionFolder(runtime);
  return [runtime.files.join(agentFolder(runtime), "sessions"), ...(named === undefined ? [] : [named])];
}

/** The catalogue's configuration, and the step before its first start. */
export function catalogueParts({ config, engine, runtime, stateDir }: CatalogueFacts): {
  readonly config: Omit<CatalogueConfig, "firstList">;
  readonly prepare: () => Promise<void>;
} {
  const folder = indexFolder(runtime, stateDir);
  return {
    prepare: () => runtime.files.makePrivateFolder(folder),
    config: {
      engine,
      cwd: runtime.absolute(config.cwd ?? "."),
      ...(config.roots === undefined ? {} : { roots: config.roots.map((root) => runtime.absolute(root)) }),
      closed: [stateDir],
      folders: sessionFolders(runtime),
      indexFolder: folder,
    },
  };
}

/** The files of a worker and the index: no network, no programs, no libraries. */
export function cataloguePermissions(worker: WorkerPermissions, index: string): WorkerPermissions {
  return {
    ...worker,
    read: [...worker.read, index],
    write: [...worker.write, index],
    net: [],
    run: false,
    ffi: false,
    import: false,
  };
}

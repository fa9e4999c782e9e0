// Does: gives pi's own tools operations with limits: bounded_files.ts for files, shell.ts for shells.
// Used by: factory.ts. Names, descriptions, parameters, prompt texts and results stay those of pi.
// Invariant: the tools are replaced before a session registers them, so extensions can still override them.
import { resolve } from "node:path";
import { delay } from "@std/async/delay";
import type * as Pi from "@mariozechner/pi-coding-agent";
import { pi } from "../engines/packages.ts";
import {
  editOperations,
  grepOperations,
  grepRefusal,
  lsOperations,
  readOperations,
  refusedPipe,
  refuseStream,
  writeOperations,
} from "./bounded_files.ts";
import type { ShellParts } from "./shell.ts";
import { shellTool } from "./bash_tool.ts";

/** The part of a session that holds its tools. pi's types do not have it. */
interface ToolOwner {
  readonly _cwd: string;
  readonly _baseToolsOverride?: unknown;
  readonly _baseToolDefinitions?: Map<string, unknown>;
  readonly settingsManager: Pi.SettingsManager;
}

const replaced = new WeakSet<object>();

/** Makes every session of this process use bounded tools. `sessions` is the prototype of pi's sessions. */
export function boundTools(sessions: object, parts: ShellParts): void {
  const refresh: unknown = Reflect.get(sessions, "_refreshToolRegistry");
  if (typeof refresh !== "function") return;
  Reflect.set(sessions, "_refreshToolRegistry", function (this: ToolOwner, ...args: unknown[]): unknown {
    const { _baseToolDefinitions: tools, _baseToolsOverride: override } = this;
    if (tools !== undefined && override === undefined && !replaced.has(tools)) {
      replaced.add(tools);
      for (const [name, tool] of Object.entries(boundedTools(this, parts))) {
        if (tools.has(name)) tools.set(name, tool);
      }
    }
    return Reflect.apply(refresh, this, args);
  });
}

function boundedTools({ _cwd: cwd, settingsManager }: ToolOwner, parts: ShellParts): Record<string, unknown> {
  const [commandPrefix, shellPath] = [
    settingsManager.getShellCommandPrefix(),
    settingsManager.getShellPath(),
  ];
  const shell = {
    ...(commandPrefix === undefined ? {} : { commandPrefix }),
    ...(shellPath === undefined ? {} : { shellPath }),
  };
  return {
    bash: shellTool(cwd, shell, parts),
    read: waiting(pi.createReadToolDefinition(cwd, {
      autoResizeImages: settingsManager.getImageAutoResize(),
      operations: readOperations,
    })),
    write: named(cwd, pi.createWriteToolDefinition(cwd, { operations: writeOperations })),
    edit: named(cwd, pi.createEditToolDefinition(cwd, { operations: editOperations })),
    grep: explained(pi.createGrepToolDefinition(cwd, { operations: grepOperations })),
    ls: pi.createLsToolDefinition(cwd, { operations: lsOperations }),
  };
}

interface PathTool<A extends unknown[], R> {
  readonly name: string;
  execute(id: string, params: { readonly path: string }, ...rest: A): Promise<R>;
}

/** The tool, which first refuses the names of devices and streams. */
function named<A extends unknown[], R, T extends PathTool<A, R>>(cwd: string, tool: T): T {
  return {
    ...tool,
    async execute(id: string, params: Parameters<T["execute"]>[1], ...rest: A): Promise<R> {
      refuseStream(tool.name, resolve(cwd, params.path));
      return await tool.execute(id, params, ...rest);
    },
  };
}

type ReadTool = ReturnType<typeof pi.createReadToolDefinition>;

/** Milliseconds for which a read of a pipe waits. pi's own read waits for a writer, until an abort. */
const PIPE_WAIT_MS = 20_000;

/** The tool, which waits at a pipe without opening it, and then looks once more. An abort ends the wait. */
function waiting(tool: ReadTool): ReadTool {
  return {
    ...tool,
    async execute(...args) {
      try {
        return await tool.execute(...args);
      } catch (error) {
        if (!refusedPipe(error)) throw error;
        const [, , signal] = args;
        // After an abort, pi's tool says so itself.
        await delay(PIPE_WAIT_MS, signal === undefined ? {} : { signal }).catch(() => {});
        return await tool.execute(...args);
      }
    },
  };
}

type GrepTool = ReturnType<typeof pi.createGrepToolDefinition>;

/** Names the kind of a pipe or device. pi would report to the model that the path is missing. */
function explained(tool: GrepTool): GrepTool {
  return {
    ...tool,
    async execute(...args) {
      try {
        return await tool.execute(...args);
      } catch (error) {
        const path = error instanceof Error ? /^Path not found: (.*)$/s.exec(error.message)?.[1] : undefined;
        throw (path === undefined ? undefined : await grepRefusal(path)) ?? error;
      }
    },
  };
}

// Does: gives a session the extensions that pi's command line has built in: llama.cpp, codemode, tool search, MCP servers.
// Used by: sdk/sdk_1_6.ts alone, since it imports pi 1.6.
// Invariant: no file of an untrusted folder is opened, and no program that it names is started.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as pi from "@earendil-works/pi-coding-agent";
import type { BuiltInParts } from "./built_in_parts.ts";

type Context = pi.ExtensionContext;
type Provider = Parameters<pi.ModelRuntime["registerNativeProvider"]>[0];

/** File with the MCP servers, in pi's folder and in a project's. */
const SERVERS = "mcp.json";

/**
 * The context with another answer to whether the project is trusted. pi's own is lazy and ends with its session, so
 * it stays behind this one.
 */
function withTrust(context: Context, trusted: boolean): Context {
  return Object.create(context, { isProjectTrusted: { value: () => trusted } });
}

/** pi's MCP extension, which reads its files only where they are plain ones of a bounded size. */
function mcp({ agentDir, cwd, trusted, readable }: BuiltInParts): pi.ExtensionFactory {
  // A sign-in tells its address by a notice. The machine of the server has no person before it.
  const original = pi.createMcpExtension({ openUrl: () => {} });
  return (api) => {
    const global = join(agentDir, SERVERS);
    const project = (): string => join(cwd(), ".pi", SERVERS);
    // The load reports a file that cannot be read.
    if (trusted()) readable(project());
    readable(global);
    const started: pi.ExtensionHandler<pi.SessionStartEvent>[] = [];
    const on = (event: string, handler: pi.ExtensionHandler<pi.SessionStartEvent>): unknown => {
      if (event === "session_start") return void started.push(handler);
      return Reflect.apply(api.on, api, [event, handler]);
    };
    const made = original(Object.create(api, { on: { value: on } }));
    api.on("session_start", async (event, context) => {
      if (!readable(global)) return;
      const around = withTrust(context, trusted() && readable(project()));
      for (const handler of started) await handler(event, around);
    });
    return made;
  };
}

/** The name under which scripts/build/pi_patches_1_6.ts has the bundle's pi export its llama.cpp extension. */
const BUNDLED = "llamaExtension";

/**
 * pi's llama.cpp extension, which its package does not export: the provider of that name, and `/llama`. Undefined where
 * PI_PACKAGE_DIR names a folder without pi's modules.
 */
function findLlama(): pi.ExtensionFactory | undefined {
  const file = join(pi.getPackageDir(), "dist", "extensions", "llama", "index.js");
  // A dynamic import of a path that only this machine knows would be a warning at each publication.
  const load = (): unknown => Reflect.get(createRequire(import.meta.url)(file), "default");
  const found: unknown = Reflect.get(pi, BUNDLED) ?? (existsSync(file) ? load() : undefined);
  if (found !== undefined && typeof found !== "function") {
    throw new Error("This pi has llama.cpp in another way");
  }
  return found as pi.ExtensionFactory | undefined;
}

const llama = findLlama();

/** Registers the providers of these extensions where there is no session. */
export function registerBuiltInProviders(register: (provider: Provider) => void): void {
  const api = { registerProvider: register, registerCommand: () => {} };
  // The extension does nothing else before a command of it runs.
  if (llama !== undefined) void llama(api as unknown as pi.ExtensionAPI);
}

/** The extensions; a user's own with the same tools or commands takes the place of one. */
export function builtInExtensions(parts: BuiltInParts): pi.InlineExtension[] {
  const shared = { builtin: true, replaceable: true };
  return [
    ...llama === undefined ? [] : [{ name: "llama.cpp", factory: llama, builtin: true }],
    { name: "codemode", factory: pi.createCodemodeExtension(), ...shared },
    { name: "tool-search", factory: pi.createToolSearchExtension(), ...shared },
    { name: "mcp", factory: mcp(parts), ...shared },
  ];
}

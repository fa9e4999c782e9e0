// Does: gives a session the extensions that pi's command line has built in: codemode, tool search and MCP servers.
// Used by: sdk/sdk_1_6.ts alone, since it imports pi 1.6.
// Invariant: no file of an untrusted folder is opened, and no program that it names is started.
import { join } from "node:path";
import * as pi from "@earendil-works/pi-coding-agent";
import type { BuiltInParts } from "./built_in_parts.ts";

type Context = pi.ExtensionContext;

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

/** The extensions; a user's own with the same tools or commands takes the place of one. */
export function builtInExtensions(parts: BuiltInParts): pi.InlineExtension[] {
  const shared = { builtin: true, replaceable: true };
  return [
    { name: "codemode", factory: pi.createCodemodeExtension(), ...shared },
    { name: "tool-search", factory: pi.createToolSearchExtension(), ...shared },
    { name: "mcp", factory: mcp(parts), ...shared },
  ];
}

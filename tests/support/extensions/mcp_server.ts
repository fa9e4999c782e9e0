// An MCP server over stdio for tests, as a program of its own: one tool, `say`, that answers with what it gets. It
// appends its process id to the file in MARK, so that a test sees whether it was started, and whether it still runs.
// Usage: deno run -A tests/support/extensions/mcp_server.ts

import { type JsonObject, objectAt } from "../base/json.ts";

const TOOL = {
  name: "say",
  description: "Says a text again",
  inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
};

/** What a request gets; undefined for what this server does not know. */
export function resultOf(method: unknown, params: JsonObject): JsonObject | undefined {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: typeof params["protocolVersion"] === "string"
          ? params["protocolVersion"]
          : "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "echo", version: "1.0.0" },
      };
    case "tools/list":
      return { tools: [TOOL] };
    case "tools/call":
      return { content: [{ type: "text", text: `said: ${objectAt(params, "arguments")["text"]}` }] };
    case "ping":
      return {};
    default:
      return undefined;
  }
}

/** The answer to one message; nothing for a notification. */
export function answerTo(message: JsonObject): JsonObject | undefined {
  const { id, method, params } = message;
  if (id === undefined || method === undefined) return undefined;
  const given = typeof params === "object" && params !== null && !Array.isArray(params) ? params : {};
  const result = resultOf(method, given);
  return result === undefined
    ? { jsonrpc: "2.0", id, error: { code: -32601, message: `no method ${String(method)}` } }
    : { jsonrpc: "2.0", id, result };
}

/** An entry of mcp.json that starts this server. */
export function entryOf(mark: string, more: JsonObject = {}): JsonObject {
  // Variables name the program, since Deno rewrites arguments in which it finds its own executable.
  const line = 'exec "$MCP_DENO" run --quiet --no-config -A "$MCP_FILE"';
  const env = { MARK: mark, MCP_DENO: Deno.execPath(), MCP_FILE: new URL(import.meta.url).pathname };
  return { command: "/bin/sh", args: ["-c", line], env, ...more };
}

if (import.meta.main) {
  const mark = Deno.env.get("MARK");
  if (mark !== undefined) await Deno.writeTextFile(mark, `${Deno.pid}\n`, { append: true });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const chunk of lines) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (part.trim() === "") continue;
      const answer = answerTo(JSON.parse(part));
      if (answer !== undefined) {
        await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(answer)}\n`));
      }
    }
  }
}

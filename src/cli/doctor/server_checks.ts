// What `doctor` asks a running server: its health, the models that have credentials, and extensions that fail. For
// the last two it makes a session in memory and removes it.
// Used by: src/cli/commands/doctor.ts.
import { errorMessage } from "../../base/error_message.ts";
import { SERVER_VERSION } from "../../protocol/version.ts";
import type { Client } from "../../client/mod.ts";
import { connectTo, type FoundServer } from "../find_server.ts";
import { hintFor } from "../hints.ts";
import type { Io } from "../subcommand.ts";
import { printable } from "../tables.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

async function checkHealth(client: Client, url: string): Promise<readonly Finding[]> {
  const { version } = client.greeting.data;
  const findings: Finding[] = [
    version === SERVER_VERSION ? ok("server", `runs at ${url}`) : warn(
      "server",
      `at ${url} is pi-server ${version}, this is ${SERVER_VERSION}`,
      "pi-server stop && pi-server start",
    ),
  ];
  const { issues } = await client.request("health_check", {});
  return [...findings, ...issues.map((issue) => fail("health", issue, "the server's log has the details"))];
}

/** Does the work with a list that gets a finding for each extension that fails meanwhile. */
async function withErrors<T>(client: Client, work: (failed: readonly Finding[]) => Promise<T>): Promise<T> {
  const failed: Finding[] = [];
  // Events of all sessions: those of a session's making come before anything can subscribe to it.
  const subscription = await client.subscribe("*", { events: ["extension_error"] });
  const read = (async () => {
    for await (const item of subscription) {
      if (item.kind !== "event") continue;
      const where = printable(String(item.event["extensionPath"]));
      failed.push(
        fail("extensions", `${where}: ${printable(String(item.event["error"]))}`, "mend or remove it"),
      );
    }
  })();
  try {
    return await work(failed);
  } finally {
    await subscription.close();
    await read;
  }
}

async function checkSession(client: Client, found: FoundServer, io: Io): Promise<readonly Finding[]> {
  return await withErrors(client, async (failed) => {
    let sessionId: string;
    try {
      const cwd = found.local ? { cwd: io.cwd() } : {};
      ({ sessionId } = await client.request("create_session", {
        ...cwd,
        inMemory: true,
        sessionName: "doctor",
      }));
    } catch (error) {
      const reason = error instanceof Error ? `${errorMessage(error)}${hintFor(error)}` : errorMessage(error);
      return [
        warn("session", `none can be made in this folder: ${reason}`, "or try doctor in another folder"),
      ];
    }
    try {
      // The answers come after the events of the session's making.
      const { models } = await client.request("get_available_models", { sessionId });
      const state = await client.request("get_state", { sessionId });
      return [...checkModels(models, state.model), ...checkExtensions(failed, state.untrusted ?? [])];
    } finally {
      await client.request("delete_session", { sessionId }).catch(() => {});
    }
  });
}

function checkModels(
  models: readonly { readonly provider: string }[],
  model: { readonly provider: string; readonly id: string } | undefined,
): readonly Finding[] {
  if (models.length === 0) {
    const next = "log in with pi (/login), or set a key and restart it";
    return [fail("models", "the server has credentials for no model", next)];
  }
  const providers = [...new Set(models.map(({ provider }) => provider))];
  const start = model === undefined ? "none" : `${model.provider}/${model.id}`;
  return [ok("models", `${models.length} of ${providers.join(", ")}; sessions start with ${start}`)];
}

function checkExtensions(failed: readonly Finding[], untrusted: readonly string[]): readonly Finding[] {
  const names = untrusted.map(printable).join(", ");
  return [
    ...failed.length > 0 ? failed : [ok("extensions", "none fails in this folder")],
    ...untrusted.length === 0
      ? []
      : [warn("project", `not loaded without trust: ${names}`, "pi-server run --trust loads it")],
  ];
}

/** Everything that a running server says about itself. */
export async function checkServer(found: FoundServer, io: Io): Promise<readonly Finding[]> {
  let client: Client;
  try {
    client = await connectTo(io, found);
  } catch (error) {
    return [fail("server", errorMessage(error), "see the server's log, or restart it")];
  }
  try {
    return [...await checkHealth(client, found.url), ...await checkSession(client, found, io)];
  } catch (error) {
    return [fail("server", errorMessage(error), "doctor needs a token with the role drive for all sessions")];
  } finally {
    await client.close();
  }
}

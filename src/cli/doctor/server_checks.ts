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

/** Milliseconds in which the events of a session that is there have been replayed. */
const REPLAY_MS = 3000;

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

/** Extensions that failed while the session was made: its first events. */
async function extensionErrors(
  client: Client,
  sessionId: string,
  { epoch, seq }: { epoch: string; seq: number },
  io: Io,
): Promise<readonly Finding[]> {
  if (seq === 0) return [];
  const findings: Finding[] = [];
  const subscription = await client.subscribe(sessionId, { from: { epoch, seq: 0 } });
  const timer = io.after(REPLAY_MS, () => void subscription.close());
  try {
    for await (const item of subscription) {
      if (item.kind !== "event") break;
      const { event } = item;
      if (event.type === "extension_error") {
        const where = printable(String(event["extensionPath"]));
        findings.push(
          fail("extensions", `${where}: ${printable(String(event["error"]))}`, "mend or remove it"),
        );
      }
      if (item.seq >= seq) break;
    }
  } finally {
    timer.clear();
  }
  return findings;
}

async function checkSession(client: Client, found: FoundServer, io: Io): Promise<readonly Finding[]> {
  let sessionId: string;
  try {
    const cwd = found.local ? { cwd: io.cwd() } : {};
    ({ sessionId } = await client.request("create_session", {
      ...cwd,
      inMemory: true,
      sessionName: "doctor",
    }));
  } catch (error) {
    const failed = error instanceof Error ? `${errorMessage(error)}${hintFor(error)}` : errorMessage(error);
    return [warn("session", `none can be made in this folder: ${failed}`, "or try doctor in another folder")];
  }
  try {
    const state = await client.request("get_state", { sessionId });
    const { models } = await client.request("get_available_models", { sessionId });
    const providers = [...new Set(models.map(({ provider }) => provider))];
    const errors = await extensionErrors(client, sessionId, state, io);
    return [
      models.length === 0
        ? fail(
          "models",
          "the server has credentials for no model",
          "log in with pi (/login), or set a key and restart it",
        )
        : ok(
          "models",
          `${models.length} of ${providers.join(", ")}; sessions start with ${
            state.model === undefined ? "none" : `${state.model.provider}/${state.model.id}`
          }`,
        ),
      ...errors.length > 0 ? errors : [ok("extensions", "none fails in this folder")],
      ...state.untrusted === undefined || state.untrusted.length === 0 ? [] : [
        warn(
          "project",
          `not loaded without trust: ${state.untrusted.map(printable).join(", ")}`,
          "run --trust loads it",
        ),
      ],
    ];
  } finally {
    await client.request("delete_session", { sessionId }).catch(() => {});
  }
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

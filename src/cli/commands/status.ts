// `pi-server status`: what runs, where, since when, what it holds, and whether all is well.
// Used by: the dispatch (src/cli/subcommands.ts).
import type { Client } from "../../client/mod.ts";
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import {
  connectTo,
  findServer,
  logFileOf,
  olderServer,
  readEndpoint,
  serverOptions,
  stateFolder,
} from "../find_server.ts";
import { CommandError, EXIT_FAILED, EXIT_OK, type Io, type Subcommand, UsageError } from "../subcommand.ts";
import { ageOf, columnsOf, sizeOf } from "../tables.ts";

const FLAGS = [
  { name: "json", about: "print it as one JSON object" },
  ...SERVER_FLAGS,
];

/** What a server says, and what this machine knows about its process. */
async function statusOf(client: Client, url: string, pid: number | undefined, io: Io) {
  const [metrics, health, { sessions }] = await Promise.all([
    client.request("get_metrics", {}),
    client.request("health_check", {}),
    client.request("list_sessions", {}),
  ]);
  const { version, protocolVersion, pi, serverId } = client.greeting.data;
  const residentBytes = pid === undefined ? undefined : await io.residentBytes(pid);
  return {
    running: true,
    url,
    serverId,
    version,
    protocolVersion,
    pi,
    ...(pid === undefined ? {} : { pid }),
    uptimeMs: metrics.uptimeMs,
    startedAt: new Date(io.now() - metrics.uptimeMs).toISOString(),
    ...(residentBytes === undefined ? {} : { residentBytes }),
    sessions: { ...metrics.sessions, working: sessions.filter(({ isStreaming }) => isStreaming).length },
    connections: metrics.connections,
    turns: metrics.turns,
    tokens: metrics.tokens,
    costUsd: metrics.costUsd,
    ...health,
  };
}

type Status = Awaited<ReturnType<typeof statusOf>>;

function textOf(status: Status, logFile: string | undefined, older: string): string {
  const { sessions, tokens, pi } = status;
  const rows: [string, string][] = [
    ["address", status.url],
    [
      "version",
      `pi-server ${status.version}, protocol ${status.protocolVersion}, ${pi.package} ${pi.version}${older}`,
    ],
    ["since", `${status.startedAt} (${ageOf(status.uptimeMs)})`],
    ...(status.pid === undefined ? [] : [["process", String(status.pid)] as [string, string]]),
    ...(status.residentBytes === undefined
      ? []
      : [["memory", sizeOf(status.residentBytes)] as [string, string]]),
    ["sessions", `${sessions.live} live (${sessions.working} working), ${sessions.parked} parked`],
    ["clients", String(status.connections)],
    [
      "spent",
      `$${status.costUsd.toFixed(4)}, ${status.turns} turns, ${tokens.input} tokens in, ${tokens.output} out`,
    ],
    ...(logFile === undefined ? [] : [["log", logFile] as [string, string]]),
    ["health", status.healthy ? "good" : status.issues.join("\n")],
  ];
  return columnsOf(rows);
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["status [flags]"],
    about: "Prints where the server runs, since when, its sessions, memory and health.",
    flags: FLAGS,
    examples: [["pi-server status --json | jq .sessions.live", "one number, for a monitor"]],
    exitCodes: [["1", "no server runs, or its health is not good"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: there is nothing to do with this argument`);
    const options = serverOptions(parsed);
    const json = parsed.has("json");
    const stateDir = stateFolder(io, options);
    if (options.server === undefined && await readEndpoint(io, stateDir) === undefined) {
      if (json) await io.stdout.write(`${JSON.stringify({ running: false, stateDir })}\n`);
      throw new CommandError(`no server runs on this machine (${stateDir}); start one with pi-server start`);
    }
    const found = await findServer(io, options);
    await using client = await connectTo(io, found);
    const status = await statusOf(client, found.url, found.endpoint?.pid, io);
    if (json) await io.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
    else {
      const logFile = found.local ? logFileOf(io, stateDir) : undefined;
      const there = logFile !== undefined && await io.stat(logFile) !== undefined;
      await io.stdout.write(textOf(status, there ? logFile : undefined, olderServer(client)));
    }
    return status.healthy ? EXIT_OK : EXIT_FAILED;
  },
};

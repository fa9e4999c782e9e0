// `pi-server doctor`: looks at everything that a first run needs, and names the next step for what is wrong.
// Used by: the dispatch (src/cli/subcommands.ts). Starts no server.
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import type { Finding } from "../doctor/finding.ts";
import {
  checkCredentials,
  checkPort,
  checkRuntime,
  checkSettings,
  checkStateFolder,
} from "../doctor/machine_checks.ts";
import { checkServer } from "../doctor/server_checks.ts";
import { findServer, readEndpoint, serverOptions, stateFolder } from "../find_server.ts";
import { EXIT_FAILED, EXIT_OK, type Io, type Subcommand, UsageError } from "../subcommand.ts";

const FLAGS = [
  { name: "json", about: "print the findings as one JSON array" },
  ...SERVER_FLAGS,
];

const MARKS: Readonly<Record<Finding["level"], string>> = { ok: "ok  ", warn: "warn", fail: "FAIL" };
const WIDTH = 14;

async function findings(parsed: ReturnType<typeof parseArguments>, io: Io): Promise<readonly Finding[]> {
  const options = serverOptions(parsed);
  const found: Finding[] = [...checkRuntime(io)];
  if (options.server !== undefined) {
    return [...found, ...await checkServer(await findServer(io, options), io)];
  }
  const folder = stateFolder(io, options);
  const endpoint = await readEndpoint(io, folder);
  found.push(
    ...await checkStateFolder(io, folder),
    ...await checkSettings(io),
    ...await checkCredentials(io),
  );
  if (endpoint?.url !== undefined) return [...found, ...await checkServer(await findServer(io, options), io)];
  if (endpoint !== undefined) {
    const message = `process ${endpoint.pid} speaks stdio only`;
    return [...found, { level: "ok", about: "server", message }];
  }
  const message = "none runs; models and extensions are not checked";
  const next = "pi-server start, then doctor again";
  return [...found, await checkPort(io), { level: "warn", about: "server", message, next }];
}

function textOf(all: readonly Finding[]): string {
  return all.map(({ level, about, message, next }) => {
    const step = next === undefined ? "" : `\n${" ".repeat(WIDTH + 5)}→ ${next}`;
    return `${MARKS[level]} ${about.padEnd(WIDTH)}${message}${step}\n`;
  }).join("");
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["doctor [flags]"],
    about:
      "Checks the state folder, the port, pi's settings, which providers have credentials (without showing " +
      "them), and on a running server its health, models and extensions. Each trouble comes with a next step.",
    flags: FLAGS,
    exitCodes: [["1", "something FAILs"]],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: there is nothing to do with this argument`);
    const all = await findings(parsed, io);
    await io.stdout.write(parsed.has("json") ? `${JSON.stringify(all, null, 2)}\n` : textOf(all));
    return all.some(({ level }) => level === "fail") ? EXIT_FAILED : EXIT_OK;
  },
};

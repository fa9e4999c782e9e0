// `pi-server token mint|list|revoke`: tokens for other people and programs, each with a role and an end.
// Used by: the dispatch (src/cli/subcommands.ts).
import { didYouMean } from "../../config/nearest.ts";
import { MOST_TTL_MS, ROLES } from "../../protocol/schema/roles.ts";
import type { Client } from "../../client/mod.ts";
import { type Arguments, helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { CommandError, EXIT_OK, type Io, type Subcommand, UsageError } from "../subcommand.ts";
import { ageOf, durationOf, table } from "../tables.ts";

const FLAGS = [
  { name: "role", value: "ROLE", choices: ROLES, about: "what a minted token may do (drive)" },
  { name: "session", value: "ID", about: "only this session (repeatable; default: all sessions)" },
  { name: "label", value: "TEXT", about: "its purpose, as list shows it" },
  { name: "ttl", value: "TIME", about: "its life, such as 30m, 12h or 7d (without end)" },
  { name: "json", about: "print the answer as JSON" },
  ...SERVER_FLAGS,
];

const ACTIONS = ["mint", "list", "revoke"] as const;

/** The milliseconds of `--ttl`; undefined when it was not given. Throws `UsageError`. */
export function ttlOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = durationOf(text);
  if (ms !== undefined && ms >= 1 && ms <= MOST_TTL_MS) return ms;
  throw new UsageError(`--ttl: expected a time such as 30m, 12h or 7d, at most 24d, got "${text}"`);
}

async function mint(client: Client, parsed: Arguments, io: Io): Promise<void> {
  const role = ROLES.find((one) => one === parsed.text("role")) ?? "drive";
  const sessions = parsed.list("session");
  const label = parsed.text("label");
  const ttlMs = ttlOf(parsed.text("ttl"));
  const minted = await client.request("mint_token", {
    role,
    ...(sessions.length === 0 ? {} : { sessions: [...sessions] }),
    ...(label === undefined ? {} : { label }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
  // The secret alone on stdout: `TOKEN=$(pi-server token mint)`.
  await io.stdout.write(parsed.has("json") ? `${JSON.stringify(minted)}\n` : `${minted.token}\n`);
  if (parsed.has("json")) return;
  const end = minted.expiresAt === undefined ? "no end" : `ends ${new Date(minted.expiresAt).toISOString()}`;
  await io.stderr.write(`pi-server: token ${minted.tokenId}, role ${role}, ${end}; it is not shown again\n`);
}

async function list(client: Client, parsed: Arguments, io: Io): Promise<void> {
  const { tokens } = await client.request("list_tokens", {});
  if (parsed.has("json")) return await io.stdout.write(`${JSON.stringify(tokens, null, 2)}\n`);
  if (tokens.length === 0) return await io.stderr.write("There are no minted tokens\n");
  const now = io.now();
  const rows = tokens.map((token) => [
    token.tokenId,
    token.role,
    token.label ?? "",
    token.sessions?.join(",") ?? "all",
    token.expiresAt === undefined ? "never" : `in ${ageOf(token.expiresAt - now)}`,
    token.lastUsedAt === undefined ? "never" : `${ageOf(now - token.lastUsedAt)} ago`,
    String(token.connections),
  ]);
  await io.stdout.write(table([["TOKEN", "ROLE", "LABEL", "SESSIONS", "ENDS", "USED", "CLIENTS"], ...rows]));
}

async function revoke(client: Client, ids: readonly string[], io: Io): Promise<void> {
  for (const tokenId of ids) {
    const { revoked } = await client.request("revoke_token", { tokenId });
    if (!revoked) {
      throw new CommandError(`there is no token ${tokenId}; pi-server token list shows those that there are`);
    }
    await io.stdout.write(`revoked ${tokenId}\n`);
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  words: ACTIONS,
  help: helpOf({
    usage: [
      "token mint [--role ROLE] [--session ID] [--ttl TIME] [flags]",
      "token list [flags]",
      "token revoke ID …",
    ],
    about:
      "Makes, lists and revokes tokens. observe sees, answer also answers dialogs, drive also works with " +
      "sessions, admin may do everything. A minted token is printed once and never again.",
    flags: FLAGS,
    examples: [
      ["pi-server token mint --role observe --ttl 1h", "for a person who may watch for an hour"],
      ["pi-server token mint --session a --label bot", "for a program that drives one session"],
      ["pi-server token revoke ID", "its connections are closed at once"],
    ],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [word = "", ...ids] = parsed.words;
    const action = ACTIONS.find((one) => one === word);
    if (action === undefined) {
      throw new UsageError(`expected mint, list or revoke, got "${word}"${didYouMean(word, ACTIONS)}`);
    }
    if (action === "revoke" && ids.length === 0) {
      throw new UsageError("name the token: pi-server token revoke ID");
    }
    if (action !== "revoke" && ids.length > 0) {
      throw new UsageError(`${ids[0]}: there is nothing to do with this argument`);
    }
    if (action !== "mint") {
      const wrong = ["role", "session", "label", "ttl"].find((name) => parsed.has(name));
      if (wrong !== undefined) throw new UsageError(`--${wrong}: is for pi-server token mint`);
    }
    ttlOf(parsed.text("ttl"));
    await using client = await connectTo(io, await findServer(io, serverOptions(parsed)));
    if (action === "mint") await mint(client, parsed, io);
    else if (action === "list") await list(client, parsed, io);
    else await revoke(client, ids, io);
    return EXIT_OK;
  },
};

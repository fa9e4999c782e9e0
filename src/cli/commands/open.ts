// `pi-server open`: the address of the console in a browser, with a token that was minted for it.
// Used by: the dispatch (src/cli/subcommands.ts).
// Invariant: the token is in the fragment (`#token=…`), which browsers send to no server and write to no log of one.
import { ROLES } from "../../protocol/schema/roles.ts";
import { helpOf, parseArguments, SERVER_FLAGS } from "../arguments.ts";
import { connectTo, findServer, serverOptions } from "../find_server.ts";
import { EXIT_OK, type Subcommand, UsageError } from "../subcommand.ts";
import { ttlOf } from "./token.ts";

const FLAGS = [
  { name: "print", about: "print the address, and open no browser" },
  { name: "role", value: "ROLE", choices: ROLES, about: "what the page may do (admin)" },
  { name: "ttl", value: "TIME", about: "life of the token, such as 30m or 12h (12h)" },
  ...SERVER_FLAGS,
];

const DEFAULT_TTL_MS = 12 * 3_600_000;

/** The page's address: the WebSocket's, over HTTP. An address that binds everything is reached by loopback. */
function pageOf(url: string, token: string): string {
  const page = new URL(url.replace(/^ws/, "http"));
  if (page.hostname === "0.0.0.0") page.hostname = "127.0.0.1";
  if (page.hostname === "[::]") page.hostname = "[::1]";
  page.hash = `token=${token}`;
  return page.href;
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  help: helpOf({
    usage: ["open [flags]"],
    about:
      "Opens the console of the server in a browser. The address holds a token that expires: do not pass " +
      "it on. A server is started in the background when none runs.",
    flags: FLAGS,
    examples: [
      ["pi-server open", "in your browser"],
      ["pi-server open --print --role observe --ttl 1h", "an address for a person who may only watch"],
    ],
  }),
  async run(args, io) {
    const parsed = parseArguments(args, FLAGS);
    const [stray] = parsed.words;
    if (stray !== undefined) throw new UsageError(`${stray}: there is nothing to do with this argument`);
    const role = ROLES.find((one) => one === parsed.text("role")) ?? "admin";
    const ttlMs = ttlOf(parsed.text("ttl")) ?? DEFAULT_TTL_MS;
    const found = await findServer(io, { ...serverOptions(parsed), start: true });
    await using client = await connectTo(io, found);
    const { token } = await client.request("mint_token", { role, label: "console", ttlMs });
    const page = pageOf(found.url, token);
    if (parsed.has("print")) {
      await io.stdout.write(`${page}\n`);
      return EXIT_OK;
    }
    if (await io.browse(page)) {
      await io.stdout.write(`opened ${page.replace(/#.*/, "")} in your browser\n`);
      return EXIT_OK;
    }
    // A machine without a browser, such as one reached by ssh: the person opens it elsewhere.
    await io.stdout.write(`${page}\n`);
    await io.stderr.write("pi-server open: no browser was found; open this address yourself\n");
    return EXIT_OK;
  },
};

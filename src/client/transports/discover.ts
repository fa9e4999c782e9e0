// Finds a server on this machine the way the protocol says (docs/PROTOCOL.md#http-and-who-may-connect): `endpoint.json` and `token` in its state folder.
// On Deno and on Node; a browser is told where to go.
import { isLoopback } from "../../base/loopback.ts";
import { isRecord, tryParse } from "../../base/json.ts";

/** Where a server is, and what lets one in. */
export interface Place {
  /** Its WebSocket's address. */
  readonly url: string;
  /** The token; absent when the server asks for none. */
  readonly token?: string;
}

const variable = (env: Readonly<Record<string, string | undefined>>, name: string): string | undefined =>
  env[name] === "" ? undefined : env[name];

/** Reads the address and the token from the state folder; what is given goes first. No other machine gets it. */
export async function discover(
  given: { readonly url?: string; readonly token?: string; readonly stateDir?: string },
): Promise<Place> {
  if (given.url !== undefined && given.token !== undefined) return { url: given.url, token: given.token };
  if (!("Deno" in globalThis) && !("process" in globalThis)) {
    if (given.url !== undefined) return { url: given.url };
    throw new Error("a browser cannot read the server's state folder; give connect a url and a token");
  }
  const [{ readFile, stat }, { join }, { homedir }, { default: process }] = await Promise.all([
    import("node:fs/promises"),
    import("node:path"),
    import("node:os"),
    import("node:process"),
  ]);
  const folder = given.stateDir ?? variable(process.env, "PI_SERVER_STATE_DIR") ??
    join(homedir(), ".pi", "server");
  const read = async (file: string): Promise<string | undefined> => {
    try {
      // Opening a pipe would wait for its other end.
      return (await stat(file)).isFile() ? await readFile(file, "utf8") : undefined;
    } catch {
      // Not there, or not for us: what follows says what is missing.
      return undefined;
    }
  };
  const endpoint = tryParse(await read(join(folder, "endpoint.json")));
  const own = textOf(endpoint, "url");
  const url = given.url ?? own;
  if (url === undefined) {
    throw new Error(
      `no server has left its address in ${folder}; start pi-server, or give connect a url or a stateDir`,
    );
  }
  const named = variable(process.env, "PI_SERVER_TOKEN_FILE");
  const file = named ?? textOf(endpoint, "tokenFile") ?? join(folder, "token");
  const meant = named !== undefined || given.stateDir !== undefined || isHere(url, own);
  const token = given.token ?? variable(process.env, "PI_SERVER_TOKEN") ??
    (meant ? await read(file) : undefined);
  return { url, ...(token === undefined ? {} : { token: token.trim() }) };
}

/** Whether that address is on this machine: a loopback one, or on the host that this machine's server has left. */
function isHere(url: string, own: string | undefined): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  if (isLoopback(hostname)) return true;
  return own !== undefined && URL.canParse(own) && new URL(own).hostname === hostname;
}

function textOf(value: unknown, name: string): string | undefined {
  const field = isRecord(value) ? value[name] : undefined;
  return typeof field === "string" ? field : undefined;
}

// Does: finds the server of this machine through `endpoint.json` and `token` in its state folder.
// Used by: mod.ts, on Deno and on Node. See docs/PROTOCOL.md#http-and-who-may-connect.
import { isLoopback } from "../../base/loopback.ts";
import { isRecord, tryParse } from "../../base/json.ts";

/** The address of a server, and its token. */
export interface Place {
  /** Its WebSocket's address. */
  readonly url: string;
  /** The token. Absent when the server asks for none. */
  readonly token?: string;
}

const variable = (env: Readonly<Record<string, string | undefined>>, name: string): string | undefined =>
  env[name] === "" ? undefined : env[name];

/** Reads the address and the token from the state folder. Given values win. No other machine gets the token. */
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
      // The open of a pipe would wait for its other end.
      return (await stat(file)).isFile() ? await readFile(file, "utf8") : undefined;
    } catch {
      // It is missing or not readable. The later error names what is missing.
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

/** Whether an address is on this machine: a loopback one, or the host in this machine's endpoint file. */
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

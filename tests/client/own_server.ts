// A client that starts a server of its own without arguments, as a process of its own, since the folder for temporary
// files is the environment's. Tells what the server offered and what lay in that folder, as one line of JSON.

import { spawn } from "../../src/client/mod.ts";

/** What was seen; the folder's entries while the server ran and after it had ended. */
export interface Seen {
  readonly endpoints: readonly unknown[];
  readonly during: readonly string[];
  readonly after: readonly string[];
}

async function entries(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

async function main([command = "", cwd, temporary = ""]: readonly string[]): Promise<Seen> {
  const client = await spawn({ command, ...(cwd === undefined ? {} : { cwd }), onLog: () => {} });
  const { endpoints } = client.greeting.data;
  const during = await entries(temporary);
  await client.close();
  return { endpoints, during, after: await entries(temporary) };
}

if (import.meta.main) console.log(JSON.stringify(await main(Deno.args)));

// Does: connects the front to its server, and connects again after the client has given up.
// Used by: agent.ts and acp_session.ts. `connectServer` is the one place of this folder that chooses a server.
import type { Client, ClientOptions } from "../../client/mod.ts";
import { connectTo, findServer, type ServerOptions } from "../find_server.ts";
import type { Io } from "../subcommand.ts";

/** Connects to the server that the flags name, or to this machine's. Throws `CommandError` with the next step. */
export async function connectServer(io: Io, options: ServerOptions, more: ClientOptions): Promise<Client> {
  return await connectTo(io, await findServer(io, { ...options, start: true }), more);
}

/** The connection to the server, which may be made more than once. */
export class ServerLink {
  readonly #connect: (options: ClientOptions) => Promise<Client>;
  #client: Promise<Client> | undefined;

  constructor(connect: (options: ClientOptions) => Promise<Client>) {
    this.#connect = connect;
  }

  /** The client that is connected. Connects when there is none. */
  client(): Promise<Client> {
    if (this.#client !== undefined) return this.#client;
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    const client = this.#connect({ onConnection: (state) => state === "closed" && forget() });
    this.#client = client;
    client.catch(forget);
    return client;
  }

  /** Ends the connection; the sessions go on. */
  async close(): Promise<void> {
    await (await this.#client?.catch(() => undefined))?.close();
  }
}

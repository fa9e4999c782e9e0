// Does: connects the front to its server, and connects again after the client has given up.
// Used by: agent.ts and acp_session.ts. acp.ts gives it the way to connect.
import type { Client, ClientOptions } from "../../../client/mod.ts";

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

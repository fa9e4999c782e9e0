// Does: owns the state folder: the token, and `endpoint.json` with the server's address.
// Used by: server.ts. See docs/PROTOCOL.md#http-and-who-may-connect.
// Invariant: one owner at a time. Only its user can read the folder.
import { errorMessage } from "../../base/error_message.ts";
import type { Log } from "../../base/log.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { tryParseRecord } from "../../base/json.ts";
import { isUsableToken, TOKEN_RULE } from "../auth/token_rule.ts";
import { type Owner, ownerLives, ownOwner, parseOwner, takeOver } from "./owner_file.ts";

/** Why a state folder cannot be used: a sentence with the next step. */
export class StateFolderError extends Error {
  override name = "StateFolderError";
}

/** The content of `endpoint.json`. */
export interface EndpointFile {
  readonly pid: number;
  readonly serverId: string;
  readonly version: string;
  /** The WebSocket's address. Absent without a WebSocket. */
  readonly url?: string;
  readonly transports: readonly string[];
  /** The file of the token. Absent when no token is needed, or it came from the environment. */
  readonly tokenFile?: string;
}

const TOKEN_BYTES = 32;

/** A state folder that this process owns. */
export class StateFolder {
  readonly path: string;
  readonly #runtime: Runtime;
  #known: string | undefined;

  private constructor(path: string, runtime: Runtime) {
    this.path = path;
    this.#runtime = runtime;
  }

  /** Creates the folder when it is missing, and owns it. Throws `StateFolderError` when another server does. */
  static async open(path: string, runtime: Runtime): Promise<StateFolder> {
    const folder = new StateFolder(path, runtime);
    try {
      await runtime.files.makePrivateFolder(path);
      await folder.#own();
    } catch (error) {
      if (error instanceof StateFolderError) throw error;
      const reason = errorMessage(error);
      throw new StateFolderError(
        `The state folder ${path} cannot be used: ${reason}; choose another --state-dir`,
      );
    }
    return folder;
  }

  /** The token in the folder. The first start makes it. */
  async token(): Promise<string> {
    const { files } = this.#runtime;
    const file = this.tokenFile;
    await files.createPrivate(file, `${this.#runtime.randomHex(TOKEN_BYTES)}\n`);
    if (await files.isLink(file)) {
      throw new StateFolderError(
        `${file} is a symbolic link; remove it, and the next start makes a new token`,
      );
    }
    const text = await files.readPrivate(file).catch((error) => {
      const reason = errorMessage(error);
      throw new StateFolderError(
        `${file} cannot be used: ${reason}; remove it, or choose another --state-dir`,
      );
    });
    const token = text.trim();
    if (isUsableToken(token)) return token;
    throw new StateFolderError(
      `the token in ${file} ${TOKEN_RULE}; remove it, and the next start makes a new token`,
    );
  }

  /** Path of the token's file. */
  get tokenFile(): string {
    return this.#runtime.files.join(this.path, "token");
  }

  /** Publishes the address for clients. */
  async publish(endpoint: EndpointFile): Promise<void> {
    await this.#runtime.files.writePrivate(
      this.#file("endpoint.json"),
      `${JSON.stringify(endpoint, null, 2)}\n`,
    );
  }

  /** Releases the folder, unless another server has made it anew. */
  async release(): Promise<void> {
    const text = await this.#runtime.files.read(this.#file("owner.json"));
    if (text !== JSON.stringify(ownOwner(this.#runtime))) return;
    await this.#runtime.files.remove(this.#file("endpoint.json"));
    await this.#runtime.files.remove(this.#file("owner.json"));
  }

  #file(name: string): string {
    return this.#runtime.files.join(this.path, name);
  }

  /** Ends processes of a dead owner. Returns the id that marks this server's processes. */
  async adopt(log: Log): Promise<string> {
    await this.endOrphans(log);
    return await this.#id();
  }

  /**
   * Ends processes that sessions have left, of all workers or of one. This server is the only one over the
   * folder.
   */
  async endOrphans(log: Log, worker?: string): Promise<void> {
    const ended = await this.#runtime.endChildren(await this.#id(), worker);
    if (ended > 0) log.warn("processes that sessions had started were ended", { processes: ended });
  }

  /** Id of the folder, for files elsewhere. Read once, because the folder may be gone at the end. */
  async #id(): Promise<string> {
    return this.#known ??= await this.#readId();
  }

  /** Id of the state folder of another server, as that server reads it. Undefined when there is none at that path. */
  static async idOf(
    path: string,
    { files, sha256 }: Pick<Runtime, "files" | "sha256">,
  ): Promise<string | undefined> {
    const text = await files.read(files.join(path, "id")).catch(() => undefined);
    return text === undefined ? undefined : idFrom(text, await files.realpath(path) ?? path, sha256);
  }

  /** A copy of the folder has its own sessions and owner, so the path is part of the id. */
  async #readId(): Promise<string> {
    const { files, sha256, uuid } = this.#runtime;
    const file = this.#file("id");
    try {
      await files.createPrivate(file, uuid());
      const text = await files.readPrivate(file);
      return idFrom(text, await files.realpath(this.path) ?? this.path, sha256);
    } catch (error) {
      const reason = errorMessage(error);
      throw new StateFolderError(
        `${file} cannot be used: ${reason}; remove it, and the next start makes a new one`,
      );
    }
  }

  async #own(): Promise<void> {
    const { files } = this.#runtime;
    const mine = JSON.stringify(ownOwner(this.#runtime));
    const file = this.#file("owner.json");
    if (await files.createPrivate(file, mine)) return;
    const text = await files.read(file);
    const owner = parseOwner(text);
    if (owner !== undefined && ownerLives(this.#runtime, owner)) {
      throw new StateFolderError(await this.#inUse(owner));
    }
    if (!await takeOver(this.#runtime, file, this.#file("owner.lock"), text, mine)) {
      throw new StateFolderError(
        `The state folder ${this.path} was taken by another server just now; connect to that`,
      );
    }
  }

  async #inUse(owner: Owner): Promise<string> {
    const text = await this.#runtime.files.read(this.#file("endpoint.json")).catch(() => undefined);
    // Its owner may not have published it yet.
    const published = tryParseRecord(text)?.["url"];
    const url = typeof published === "string" ? published : undefined;
    const where = `Another server (process ${owner.pid}, ${
      url ?? "stdio only"
    }) uses the state folder ${this.path}`;
    if (url !== undefined) return `${where}; connect to that one, stop it, or choose another --state-dir`;
    // Only the program that started that server can talk to it.
    return `${where}; end the program that started it, stop process ${owner.pid}, or choose another --state-dir`;
  }
}

function idFrom(text: string, path: string, sha256: (text: string) => string): string {
  return sha256(`${text.trim()} ${path}`);
}

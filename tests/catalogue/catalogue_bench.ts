// A catalogue over a real folder: `root` (the roots), `sessions` (pi's folder), `outside`, and `index`.
import { assert } from "@std/assert";
import { Catalogue } from "../../src/catalogue/catalogue.ts";
import type {
  CatalogueAnswer,
  CatalogueCall,
  CatalogueConfig,
  ListPlace,
  StoredQuery,
} from "../../src/ipc/catalogue_messages.ts";
import { common, files } from "../../src/runtime/common.ts";
import type { Files, Runtime } from "../../src/runtime/runtime.ts";
import type { StoredSession } from "../../src/protocol/schema/results.ts";
import { fakeRuntime } from "../worker/support/fake_runtime.ts";
import { FakeClock } from "../support/base/fake_clock.ts";

/** The first line of a session file. */
export function header(cwd: string, id = "id-1"): string {
  return `${
    JSON.stringify({ type: "session", version: 3, id, timestamp: "2025-01-02T03:04:05.000Z", cwd })
  }\n`;
}

let entries = 0;

/** One more line of a session file. */
export function message(role: string, content: unknown, over: Record<string, unknown> = {}): string {
  const id = (++entries).toString(16).padStart(8, "0");
  const entry = { type: "message", id, parentId: null, timestamp: "2025-01-02T03:04:06.000Z" };
  return `${JSON.stringify({ ...entry, message: { role, content, ...over } })}\n`;
}

/** A page of a list. */
export interface Page {
  readonly sessions: readonly StoredSession[];
  readonly index: { readonly files: number; readonly indexed: number };
  readonly next: ListPlace | undefined;
}

/** The catalogue, with real time. */
export class CatalogueBench implements AsyncDisposable {
  readonly top: string;
  readonly warnings: string[] = [];
  readonly read: string[] = [];
  readonly runtime: Runtime;
  readonly #over: Partial<CatalogueConfig>;
  catalogue: Catalogue;

  private constructor(top: string, over: Partial<CatalogueConfig>, port: (files: Files) => Files) {
    this.top = top;
    this.#over = over;
    const chunks = (path: string, from?: number): AsyncIterable<Uint8Array> => {
      this.read.push(
        path.slice(path.lastIndexOf("/") + 1) + (from === undefined || from === 0 ? "" : `@${from}`),
      );
      return files.chunks(path, from);
    };
    const { now, monotonic, after } = common;
    const watched = port({ ...files, chunks });
    this.runtime = { ...fakeRuntime(new FakeClock()), files: watched, now, monotonic, after };
    this.catalogue = this.#start();
  }

  static async make(
    over: (top: string) => Partial<CatalogueConfig> = (top) => ({
      roots: [`${top}/root`, `${top}/sessions`],
    }),
    port: (files: Files) => Files = (files) => files,
  ): Promise<CatalogueBench> {
    const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-catalogue-" }));
    for (const folder of ["root/sub", "sessions/one", "outside", "index"]) {
      await Deno.mkdir(`${top}/${folder}`, { recursive: true });
    }
    return new CatalogueBench(top, over(top), port);
  }

  #start(): Catalogue {
    const { top } = this;
    return new Catalogue({
      runtime: this.runtime,
      config: {
        engine: "0.73",
        cwd: `${top}/root`,
        closed: [],
        folders: [`${top}/sessions`],
        indexFolder: `${top}/index`,
        firstList: 1,
        ...this.#over,
      },
      changed: () => {},
      log: (_, text) => void this.warnings.push(text),
    });
  }

  /** Saves the index, and starts another catalogue over it. */
  async restart(between: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    await this.catalogue.close();
    await between();
    this.read.length = 0;
    this.catalogue = this.#start();
  }

  /** Writes a file; `at` is the time of its last change, in seconds. */
  async write(name: string, text: string, at = 1_700_000_000): Promise<string> {
    const path = `${this.top}/${name}`;
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, at, at);
    return path;
  }

  ask(call: CatalogueCall): Promise<CatalogueAnswer> {
    return this.catalogue.answer(call);
  }

  /** A page, or the code. */
  async page(
    from: Partial<StoredQuery> | ListPlace = {},
    over: Partial<Extract<CatalogueCall, { type: "list" }>> = {},
  ): Promise<Page | string> {
    const begin = "key" in from ? from : { sort: "activity" as const, ...from };
    const bounds = { limit: 100, maxBytes: 1_000_000, exact: true };
    const answer = await this.ask({ type: "list", from: begin, ...bounds, ...over });
    if (answer.ok === "expired") return "expired";
    if (!answer.ok) return answer.failure.code;
    return { ...JSON.parse(answer.dataText), next: answer.next };
  }

  /** The sessions of a page. */
  async sessions(from: Partial<StoredQuery> | ListPlace = {}): Promise<readonly StoredSession[]> {
    const page = await this.page(from);
    assert(typeof page !== "string", String(page));
    return page.sessions;
  }

  /** Ids of the sessions of a page, or the code. */
  async ids(from: Partial<StoredQuery> | ListPlace = {}): Promise<unknown> {
    const page = await this.page(from);
    return typeof page === "string" ? page : page.sessions.map(({ sessionId }) => sessionId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.catalogue.close();
    await Deno.remove(this.top, { recursive: true });
  }
}

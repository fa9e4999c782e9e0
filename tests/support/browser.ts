// A headless browser for one page: finds the Chromium of this machine, serves a bundled script, and waits for what
// the page posts back.

import * as esbuild from "esbuild";
import { deadline } from "./wait.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/** The path of a Chromium, from `PI_SERVER_CHROMIUM` or PATH; undefined when there is none. */
export async function findBrowser(): Promise<string | undefined> {
  const named = Deno.env.get("PI_SERVER_CHROMIUM");
  if (named !== undefined) return named;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of NAMES) {
      const file = `${folder}/${name}`;
      if (await Deno.stat(file).then(({ isFile }) => isFile, () => false)) return file;
    }
  }
  return undefined;
}

/** Bundles an entry of the tests for that platform, as the client's user would. */
export async function bundleEntry(entry: string, platform: "node" | "browser"): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform,
    target: platform === "node" ? "node20.6" : "es2023",
    external: platform === "browser" ? ["node:*", "ws"] : [],
    banner: platform === "node"
      ? { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' }
      : {},
    tsconfigRaw: {},
    logLevel: "warning",
  });
  await esbuild.stop();
  return outputFiles[0]?.text ?? "";
}

/** A page's server: the script, the job it fetches, and the report it posts. */
export class Page implements AsyncDisposable {
  readonly #script: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #report = Promise.withResolvers<unknown>();
  readonly #stop = new AbortController();
  /** What `/job` answers with. */
  job: unknown;

  /** @param script a module */
  constructor(script: string) {
    this.#script = script;
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      signal: this.#stop.signal,
    }, (request) => this.#answer(request));
  }

  /** The page's origin. */
  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Opens the page in that browser and returns what it posts. */
  async open(browser: string, timeoutMs: number): Promise<unknown> {
    const profile = await Deno.makeTempDir({ prefix: "pi-server-browser-" });
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"];
    const child = new Deno.Command(browser, {
      args: [...flags, "--remote-debugging-port=0", `--user-data-dir=${profile}`, `${this.origin}/`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      return await deadline(this.#report.promise, timeoutMs, () => "the page posted nothing");
    } finally {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }

  async #answer(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/":
        return new Response(
          '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>',
          {
            headers: { "content-type": "text/html" },
          },
        );
      case "/page.js":
        return new Response(this.#script, { headers: { "content-type": "text/javascript" } });
      case "/job":
        return Response.json(this.job);
      case "/report":
        this.#report.resolve(await request.json());
        return new Response(null, { status: 204 });
      default:
        return new Response(null, { status: 404 });
    }
  }
}

// A headless Chromium that opens one page and says what the page found out. Only for tests of what browsers send.

import { deadline } from "../base/wait.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The browser's program; undefined where there is none. */
export async function findChromium(): Promise<string | undefined> {
  const named = Deno.env.get("PI_SERVER_CHROMIUM");
  for (const name of named === undefined ? NAMES : [named]) {
    const found = await new Deno.Command("sh", { args: ["-c", 'command -v "$1"', "sh", name] }).output();
    if (found.success) return new TextDecoder().decode(found.stdout).trim();
  }
  return undefined;
}

/** One browser, with a profile of its own, and the pages that it opens. */
export class Browser implements AsyncDisposable {
  readonly #program: string;
  readonly #profile: string;
  readonly #servers: Deno.HttpServer<Deno.NetAddr>[] = [];

  private constructor(program: string, profile: string) {
    this.#program = program;
    this.#profile = profile;
  }

  static async make(program: string): Promise<Browser> {
    return new Browser(program, await Deno.makeTempDir({ prefix: "pi-server-chromium-" }));
  }

  /** Serves a page on a port of its own; `said` is what its script returns. The script is asked for when it is opened. */
  serve(script: () => string): { port: number; said: Promise<unknown> } {
    const said = Promise.withResolvers<unknown>();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      if (new URL(request.url).pathname === "/said") {
        said.resolve(await request.json());
        return new Response("");
      }
      const body = `<!doctype html><meta charset="utf-8"><script type="module">
        const report = (value) => fetch("/said", { method: "POST", body: JSON.stringify(value) });
        try { await report(await (async () => { ${script()} })()); } catch (error) { await report({ error: String(error) }); }
      </script>`;
      return new Response(body, { headers: { "content-type": "text/html" } });
    });
    this.#servers.push(server);
    return { port: server.addr.port, said: said.promise };
  }

  /** Opens the address, with every name that ends in `.test` leading to this machine, until `said` is there. */
  async open(url: string, said: Promise<unknown>): Promise<unknown> {
    const child = new Deno.Command(this.#program, {
      args: [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
        ...["--disable-background-networking", "--disable-sync", "--disable-extensions", "--mute-audio"],
        // The page must meet our gate, not Chromium's own question about the local network.
        "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
        ...[`--user-data-dir=${this.#profile}`, "--host-resolver-rules=MAP *.test 127.0.0.1"],
        ...["--remote-debugging-port=0", url],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { HOME: this.#profile },
    }).spawn();
    const stderr = new Response(child.stderr).text();
    try {
      return await deadline(said, 60_000, () => `what ${url} says`);
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${error}\n${(await stderr).slice(-2000)}`);
    } finally {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended already.
      }
      await child.status;
      await stderr;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.shutdown();
    await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
  }
}

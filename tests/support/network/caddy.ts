// A Caddy of the test's own: the file of deploy/, with a free port and a certificate made for this run. It shows the
// server with TLS, as the file says.

import { freePort, makeCertificate, replaced } from "./nginx.ts";
import { REPO } from "../server/server_process.ts";
import { until } from "../base/wait.ts";

/** The program; undefined where there is none, or nothing that makes a certificate. */
export async function findCaddy(): Promise<string | undefined> {
  const args = ["-c", "command -v openssl >/dev/null && command -v caddy"];
  const found = await new Deno.Command("sh", { args }).output();
  return found.success ? new TextDecoder().decode(found.stdout).trim() : undefined;
}

/** Caddy in front of a server on `upstream`. */
export class Caddy implements AsyncDisposable {
  /** With TLS, below /pi/. */
  readonly tlsPort: number;
  /** The certificate, which names localhost and pi.example. */
  readonly certificate: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;
  readonly #said: Promise<string>;

  private constructor(folder: string, tlsPort: number, certificate: string, child: Deno.ChildProcess) {
    this.#folder = folder;
    this.tlsPort = tlsPort;
    this.certificate = certificate;
    this.#child = child;
    this.#said = new Response(child.stderr).text();
  }

  static async start(program: string, upstream: number): Promise<Caddy> {
    const folder = await Deno.makeTempDir({ prefix: "pi-server-caddy-" });
    await makeCertificate(folder);
    const port = freePort();
    const site = replaced(await Deno.readTextFile(`${REPO}/deploy/Caddyfile`), {
      "pi.example {": [
        `https://localhost:${port}, https://pi.example:${port} {`,
        "\tbind 127.0.0.1",
        `\ttls ${folder}/cert.pem ${folder}/key.pem`,
      ].join("\n"),
      "{\n\t#": "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\t#",
      "127.0.0.1:3141": `127.0.0.1:${upstream}`,
    });
    await Deno.writeTextFile(`${folder}/Caddyfile`, site);
    const child = new Deno.Command(program, {
      args: ["run", "--config", `${folder}/Caddyfile`, "--adapter", "caddyfile"],
      env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const caddy = new Caddy(folder, port, await Deno.readTextFile(`${folder}/cert.pem`), child);
    try {
      await until(
        () =>
          Deno.connect({ hostname: "127.0.0.1", port }).then((one) => (one.close(), true), () => undefined),
        20_000,
        () => `Caddy does not listen on ${port}`,
      );
    } catch (error) {
      await caddy[Symbol.asyncDispose]();
      throw new Error(`${error}\n${await caddy.#said}`);
    }
    return caddy;
  }

  /** Ends it; returns what it has logged, requests as well. */
  async end(): Promise<string> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    return await this.#said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await Deno.remove(this.#folder, { recursive: true }).catch(() => {});
  }
}

// An nginx of the test's own: the file of deploy/, with free ports and a certificate made for this run. It shows the
// server once with TLS, as the file says, and once without TLS and with the path taken off.

import { REPO } from "../server/server_process.ts";
import { until } from "../base/wait.ts";

const PROGRAMS = ["nginx", "/usr/sbin/nginx"];

/** The program; undefined where there is none, or nothing that makes a certificate. */
export async function findNginx(): Promise<string | undefined> {
  for (const name of PROGRAMS) {
    const args = ["-c", 'command -v openssl >/dev/null && command -v "$1"', "sh", name];
    const found = await new Deno.Command("sh", { args }).output();
    if (found.success) return new TextDecoder().decode(found.stdout).trim();
  }
  return undefined;
}

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function run(program: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, cwd, stdin: "null" }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

/** Puts a certificate for localhost and pi.example into the folder: cert.pem, and key.pem. */
export async function makeCertificate(folder: string): Promise<void> {
  const names = "subjectAltName=DNS:localhost,DNS:pi.example,IP:127.0.0.1";
  const making = [
    ...[
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "1",
    ],
    ...[
      "-keyout",
      "key.pem",
      "-out",
      "cert.pem",
      "-subj",
      "/CN=localhost",
      "-addext",
      names,
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ],
  ];
  await run("openssl", making, folder);
}

/** Replaces what has to be there. */
export function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [from, to] of Object.entries(changes)) {
    if (!result.includes(from)) throw new Error(`the file in deploy has no "${from}" any more`);
    result = result.replaceAll(from, to);
  }
  return result;
}

/** nginx in front of a server on `upstream`. */
export class Nginx implements AsyncDisposable {
  /** With TLS, below /pi/. */
  readonly tlsPort: number;
  /** Without TLS, below /pi/, which is taken off. */
  readonly plainPort: number;
  /** The certificate, which names localhost and pi.example. */
  readonly certificate: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;

  private constructor(
    folder: string,
    ports: readonly [tls: number, plain: number],
    certificate: string,
    child: Deno.ChildProcess,
  ) {
    this.#folder = folder;
    [this.tlsPort, this.plainPort] = ports;
    this.certificate = certificate;
    this.#child = child;
  }

  static async start(program: string, upstream: number): Promise<Nginx> {
    const folder = await Deno.makeTempDir({ prefix: "pi-server-nginx-" });
    await makeCertificate(folder);
    const ports = [freePort(), freePort()] as const;
    const server = await Deno.readTextFile(`${REPO}/deploy/nginx.conf`);
    const own = replaced(server, {
      "listen 443": `listen 127.0.0.1:${ports[0]}`,
      "server_name pi.example": "server_name localhost pi.example",
      "/etc/ssl/pi.example/fullchain.pem": `${folder}/cert.pem`,
      "/etc/ssl/pi.example/privkey.pem": `${folder}/key.pem`,
      "http://127.0.0.1:3141": `http://127.0.0.1:${upstream}`,
    });
    const plain = replaced(own.slice(own.indexOf("server {")), {
      [`listen 127.0.0.1:${ports[0]} ssl http2`]: `listen 127.0.0.1:${ports[1]}`,
      [`http://127.0.0.1:${upstream};`]: `http://127.0.0.1:${upstream}/;`,
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`);
    await Deno.writeTextFile(
      `${folder}/nginx.conf`,
      `pid ${folder}/pid; events {} http { access_log ${folder}/access.log; ${
        temporary.join(" ")
      }\n${own}\n${plain} }\n`,
    );
    const child = new Deno.Command(program, {
      args: [
        ...["-p", folder, "-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`],
        ...["-g", "daemon off; master_process off;"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const nginx = new Nginx(folder, ports, await Deno.readTextFile(`${folder}/cert.pem`), child);
    try {
      await until(
        () =>
          Deno.connect({ hostname: "127.0.0.1", port: ports[0] }).then(
            (one) => (one.close(), true),
            () => undefined,
          ),
        10_000,
        () => `nginx does not listen; ${Deno.readTextFileSync(`${folder}/error.log`)}`,
      );
    } catch (error) {
      await nginx[Symbol.asyncDispose]();
      throw error;
    }
    return nginx;
  }

  /** What nginx has logged of requests. */
  log(): Promise<string> {
    return Deno.readTextFile(`${this.#folder}/access.log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true }).catch(() => {});
  }
}

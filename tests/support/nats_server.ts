// Starts Debian's nats-server on a free port of loopback, with JetStream in a folder of its own, and ends it by its
// own process id. It can be killed and started again on the same port and folder.

import { until } from "./wait.ts";

/** Where the program may lie; Debian puts it where only root's PATH looks. */
const PLACES = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];

function find(): string | undefined {
  return PLACES.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Why the cases of clusters are left out here; undefined where nats-server is installed. */
export const WITHOUT_NATS: string | undefined = find() === undefined ? "needs nats-server" : undefined;

/** A port that nothing listens on. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** A nats-server with JetStream. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  readonly #args: readonly string[];
  #child: Deno.ChildProcess | undefined;

  private constructor(port: number, dir: string, args: readonly string[]) {
    this.port = port;
    this.dir = dir;
    this.#args = args;
  }

  /** Starts one, with further arguments. */
  static async start(args: readonly string[] = [], hostname = "127.0.0.1"): Promise<NatsServer> {
    const dir = await Deno.makeTempDir({ prefix: "pi-server-nats-" });
    const server = new NatsServer(freePort(), dir, ["-a", hostname, ...args]);
    await server.begin();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts it again, with what it has stored. */
  async begin(): Promise<void> {
    const program = find();
    if (program === undefined) throw new Error("nats-server is not installed");
    this.#child = new Deno.Command(program, {
      args: ["-p", String(this.port), "-js", "-sd", `${this.dir}/store`, ...this.#args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const port = this.port;
    await until(
      async () => {
        try {
          (await Deno.connect({ hostname: "127.0.0.1", port })).close();
          return true;
        } catch {
          return undefined;
        }
      },
      10_000,
      () => "nats-server does not listen",
    );
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
    await child?.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true });
  }
}

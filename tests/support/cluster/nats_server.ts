// A nats-server of the test's own on loopback: JetStream on, a store in a temporary folder, and a port that stays the
// same. It can be stopped, killed, frozen, and started again on what it has stored. It is ended by its own process id.

import { freePort } from "../network/nginx.ts";
import { until } from "../base/wait.ts";

export { freePort } from "../network/nginx.ts";

/** Where the program may lie; Debian puts it where only root's PATH looks. */
const PLACES = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];

const READY_MS = 10_000;

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

/** How to start one. */
export interface NatsOptions {
  /** Further arguments. */
  readonly args?: readonly string[];
  /** Lines of its configuration file, such as users, accounts or TLS. Files are written beside it. */
  readonly config?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Where it listens. */
  readonly hostname?: string;
  /** Runs the program inside of something else, such as a network namespace. */
  readonly within?: readonly string[];
  /** How to find out that it listens; without it by a connection to loopback. */
  readonly listens?: (port: number) => Promise<boolean>;
}

/** A nats-server with JetStream. */
export class NatsServer implements AsyncDisposable {
  /** The port of clients. */
  readonly port: number;
  /** The port of its own figures, over HTTP. */
  readonly monitorPort: number;
  readonly dir: string;
  readonly #options: NatsOptions;
  #child: Deno.ChildProcess | undefined;

  private constructor(dir: string, options: NatsOptions) {
    this.port = freePort();
    this.monitorPort = freePort();
    this.dir = dir;
    this.#options = options;
  }

  /** Starts one, and waits until it takes clients and has its store. */
  static async start(given: NatsOptions | readonly string[] = {}): Promise<NatsServer> {
    const options: NatsOptions = "at" in given ? { args: given } : given;
    const dir = await Deno.makeTempDir({ prefix: "pi-server-nats-" });
    const server = new NatsServer(dir, options);
    for (const [name, text] of Object.entries(options.files ?? {})) {
      await Deno.writeTextFile(`${dir}/${name}`, text);
    }
    await Deno.writeTextFile(`${dir}/nats.conf`, options.config ?? "");
    try {
      await server.begin();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error("nats-server does not run");
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Starts it again on the same port, with what it has stored. */
  async begin(): Promise<void> {
    const nats = find();
    if (nats === undefined) throw new Error("nats-server is not installed");
    const { within = [], hostname = "127.0.0.1", args = [], listens } = this.#options;
    const [program = nats, ...before] = [...within, nats];
    this.#child = new Deno.Command(program, {
      args: [
        ...before,
        ...["-a", hostname, "-p", String(this.port), "-m", String(this.monitorPort)],
        ...["-js", "-sd", `${this.dir}/store`, "-c", `${this.dir}/nats.conf`, "-l", `${this.dir}/log`],
        ...args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    let ended = false;
    void this.#child.status.then(() => ended = true);
    const { port } = this;
    await until(
      async () => {
        if (ended) throw new Error(`nats-server has ended:\n${this.log()}`);
        return await (listens ?? hasStore)(port);
      },
      READY_MS,
      () => `nats-server does not listen:\n${this.log()}`,
    );
  }

  /** What it has logged. */
  log(): string {
    try {
      return Deno.readTextFileSync(`${this.dir}/log`).slice(-4_000);
    } catch {
      return "it has logged nothing";
    }
  }

  /** Messages that all its clients have sent and got since it was started, by its own count. */
  async messages(): Promise<{ sent: number; got: number }> {
    const response = await fetch(`http://127.0.0.1:${this.monitorPort}/varz`);
    const { in_msgs, out_msgs } = await response.json();
    return { sent: Number(in_msgs), got: Number(out_msgs) };
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it as an operator would. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Stops it from doing anything, as a machine that hangs; its connections stay. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends it and removes its store, at the end of a process that waits for nothing. */
  abandon(): void {
    try {
      this.#child?.kill("SIGKILL");
      Deno.removeSync(this.dir, { recursive: true });
    } catch {
      // It was gone already.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true });
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    try {
      child?.kill(signal);
    } catch {
      // It has ended already.
    }
    await child?.status;
  }
}

/** Whether a server listens there and has opened its store: its first line says so, with TLS too. */
async function hasStore(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const bytes = new Uint8Array(4_096);
    const length = await connection.read(bytes) ?? 0;
    return new TextDecoder().decode(bytes.subarray(0, length)).includes('"jetstream":true');
  } catch {
    return false;
  }
}

// A network namespace of the test's own, with two links of its own to this machine: one for clients, and one that can
// be cut. Only root may make one, and only where `ip` is.

/** Runs `ip`; whether it succeeded. */
function ip(...args: readonly string[]): boolean {
  try {
    const { success } = new Deno.Command("/usr/sbin/ip", { args: [...args], stdout: "null", stderr: "null" })
      .outputSync();
    return success;
  } catch {
    return false;
  }
}

function permitted(): boolean {
  const name = `pi-test-${Deno.pid}-may`;
  return Deno.build.os === "linux" && ip("netns", "add", name) && ip("netns", "del", name);
}

/** Why cases with a network namespace are left out here. */
export const WITHOUT_NET_SPACE: string | undefined = permitted()
  ? undefined
  : "needs iproute2, and the right to make network namespaces";

/** The namespace. `using` removes it with its links. */
export class NetSpace implements Disposable {
  readonly name = `pi-test-${Deno.pid}`;
  /** Addresses inside: one for clients, and one over the link that can be cut. */
  readonly clients = "10.213.77.2";
  readonly cuttable = "10.213.78.2";

  constructor() {
    this.#must("netns", "add", this.name);
    this.within = ["/usr/sbin/ip", "netns", "exec", this.name];
    for (const [letter, net] of [["c", "10.213.77"], ["x", "10.213.78"]] as const) {
      const [here, there] = [`pi${letter}h${Deno.pid}`, `pi${letter}n${Deno.pid}`];
      this.#must("link", "add", here, "type", "veth", "peer", "name", there, "netns", this.name);
      this.#must("addr", "add", `${net}.1/24`, "dev", here);
      this.#must("link", "set", here, "up");
      this.#must("-n", this.name, "addr", "add", `${net}.2/24`, "dev", there);
      this.#must("-n", this.name, "link", "set", there, "up");
    }
    this.#must("-n", this.name, "link", "set", "lo", "up");
  }

  /** What a command begins with that runs inside. */
  readonly within: readonly string[];

  /** Cuts the one link: what is sent is lost, and neither end learns it. */
  cut(): void {
    this.#must("link", "set", `pixh${Deno.pid}`, "down");
  }

  mend(): void {
    this.#must("link", "set", `pixh${Deno.pid}`, "up");
  }

  [Symbol.dispose](): void {
    // Its ends of the links go with it, and so do the others.
    ip("netns", "del", this.name);
  }

  #must(...args: readonly string[]): void {
    if (!ip(...args)) throw new Error(`ip ${args.join(" ")} failed`);
  }
}

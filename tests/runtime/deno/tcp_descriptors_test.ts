// What the system tells about connections of this process, on Linux.
import { assert, assertEquals } from "@std/assert";
import { type End, type TcpDescriptor, TcpDescriptors } from "../../../src/runtime/deno/tcp_descriptors.ts";
import { until } from "../../support/base/wait.ts";

class Pair implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;

  private constructor(listener: Deno.TcpListener, client: Deno.TcpConn, server: Deno.TcpConn) {
    this.#listener = listener;
    this.client = client;
    this.server = server;
  }

  static async open(listens = "127.0.0.1", connects = "127.0.0.1"): Promise<Pair> {
    const listener = Deno.listen({ hostname: listens, port: 0 });
    const client = await Deno.connect({ hostname: connects, port: listener.addr.port });
    return new Pair(listener, client, await listener.accept());
  }

  get ends(): [peer: End, port: number] {
    return [this.server.remoteAddr, this.#listener.addr.port];
  }

  [Symbol.dispose](): void {
    for (const each of [this.#listener, this.client, this.server]) {
      try {
        each.close();
      } catch {
        // The test has closed it.
      }
    }
  }
}

const LINUX = Deno.build.os === "linux";

function descriptors(): TcpDescriptors {
  const found = TcpDescriptors.open();
  assert(found !== undefined);
  return found;
}

function find(all: TcpDescriptors, pair: Pair): TcpDescriptor {
  const found = all.find(...pair.ends);
  assert(found !== undefined);
  return found;
}

Deno.test({
  name: "descriptors: the system counts what has arrived, and what waits",
  ignore: !LINUX,
  async fn() {
    using one = await Pair.open();
    using other = await Pair.open();
    using all = descriptors();
    const [first, second] = [find(all, one), find(all, other)];
    await one.client.write(new Uint8Array(1234));
    await until(() => first.unread() === 1234 || undefined, 5_000, () => "the bytes");
    assertEquals([first.received(), second.received(), second.unread()], [1234, 0, 0]);
    await one.server.read(new Uint8Array(1000));
    assertEquals([first.received(), first.unread()], [1234, 234]);
  },
});

Deno.test({
  name: "descriptors: addresses of both families are found in every spelling",
  ignore: !LINUX,
  async fn() {
    for (const [listens, connects] of [["::1", "::1"], ["::", "127.0.0.1"]]) {
      using pair = await Pair.open(listens, connects);
      await pair.client.write(new Uint8Array(7));
      using all = descriptors();
      const found = find(all, pair);
      await until(() => found.received() === 7 || undefined, 5_000, () => `bytes to ${listens}`);
    }
  },
});

Deno.test({
  name: "descriptors: an end sends its last words, and no other connection gets them",
  ignore: !LINUX,
  async fn() {
    using one = await Pair.open();
    using all = descriptors();
    const found = find(all, one);
    found.end(new TextEncoder().encode("bye"));
    const buffer = new Uint8Array(16);
    const count = await one.client.read(buffer);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, count ?? 0)), "bye");
    assertEquals(await one.client.read(buffer), null);
    // The next connection gets the lowest free number: the same one.
    one.server.close();
    using next = await Pair.open();
    found.end(new TextEncoder().encode("bye"));
    await next.server.write(new TextEncoder().encode("hello"));
    const heard = await next.client.read(buffer);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, heard ?? 0)), "hello");
  },
});

Deno.test({
  name: "descriptors: a bound lets the peer wait",
  ignore: !LINUX,
  async fn() {
    using pair = await Pair.open();
    using all = descriptors();
    const found = find(all, pair);
    found.bound(16 * 1024);
    const writing = pair.client.write(new Uint8Array(32 * 1024 * 1024)).catch(() => 0);
    let same = 0;
    for (let before = -1; same < 5; before = found.unread()) {
      same = before === found.unread() ? same + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert(found.unread() > 0 && found.unread() < 512 * 1024, String(found.unread()));
    pair.server.close();
    await writing;
  },
});

Deno.test({
  name: "descriptors: new connections begin with the bound of their port",
  ignore: !LINUX,
  async fn() {
    using all = descriptors();
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    all.boundNew(listener.addr.port, 16 * 1024);
    for (const [listens, few] of [[listener, true], [other, false]] as const) {
      const { port } = listens.addr;
      using client = await Deno.connect({ hostname: "127.0.0.1", port });
      using server = await listens.accept();
      const found = all.find(server.remoteAddr, port);
      assert(found !== undefined);
      const writing = client.write(new Uint8Array(2 * 1024 * 1024)).catch(() => 0);
      await until(
        () => found.unread() > (few ? 1_000 : 64_000) || undefined,
        5_000,
        () => "bytes",
      );
      assertEquals(found.unread() < 64_000, few);
      found.release();
      server.close();
      await writing;
    }
  },
});

Deno.test({
  name: "descriptors: of some peers, those that have sent much are ended, after the last words",
  ignore: !LINUX,
  async fn() {
    using all = descriptors();
    const pairs = [await Pair.open(), await Pair.open(), await Pair.open(), await Pair.open()];
    const [little, much, unnamed, known] = pairs;
    assert(little && much && unnamed && known);
    await little.client.write(new Uint8Array(10));
    for (const { client } of [much, unnamed, known]) await client.write(new Uint8Array(1000));
    const found = find(all, known);
    await until(() => found.received() === 1000 || undefined, 5_000, () => "the bytes");
    for (const pair of pairs) {
      const [peer, port] = pair.ends;
      all.endLonger(pair === unnamed ? [] : [peer], port, 100, new TextEncoder().encode("bye"));
    }
    for (const { server } of pairs) await server.write(new TextEncoder().encode("hello")).catch(() => {});
    const heard = await Promise.all(pairs.map(async ({ client }) => {
      const buffer = new Uint8Array(16);
      return new TextDecoder().decode(buffer.subarray(0, await client.read(buffer) ?? 0));
    }));
    assertEquals(heard, ["hello", "bye", "hello", "hello"]);
    for (const pair of pairs) pair[Symbol.dispose]();
  },
});

Deno.test("descriptors: a connection that does not exist is not found", async () => {
  using pair = await Pair.open();
  using all = TcpDescriptors.open();
  const [{ hostname }, port] = pair.ends;
  assertEquals(all?.find({ hostname, port: 1 }, port), undefined);
});

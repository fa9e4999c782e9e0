// Loopback in every spelling: the server binds it, announces an address that lets clients in, and does not warn.
import { assert } from "@std/assert";
import { alone } from "../suite.ts";

alone("loopback: each spelling of a loopback address lets clients in, without a warning", async (bench) => {
  for (const host of ["::ffff:127.0.0.1", "[::1]", "LOCALHOST", "127.0.0.2"]) {
    const server = await bench.start(["--host", host]);
    const wire = await bench.connect(host);
    assert(typeof (await wire.ok({ type: "ping" })).now === "number", host);
    assert(!server.stderr.includes("OPEN TO THE NETWORK"), `${host}: ${server.stderr}`);
    await wire.close();
    server.signal("SIGTERM");
    await server.exitCode();
  }
});

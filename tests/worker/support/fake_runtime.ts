// A runtime in which time is a fake clock's and every folder exists, so that what a worker does depends on
// promises alone. Whatever a worker has no business with throws.
import { common, files } from "../../../src/runtime/common.ts";
import type { Files, Runtime } from "../../../src/runtime/runtime.ts";
import type { FakeClock } from "../../support/base/fake_clock.ts";

/** Files where every path is a folder and leads nowhere else. */
export const EVERYWHERE: Files = {
  ...files,
  stat: () => Promise.resolve({ kind: "directory", size: 0, modifiedAt: 0 }),
  realpath: (path) => Promise.resolve(path),
  readLink: () => Promise.resolve(undefined),
};

function never(): never {
  throw new Error("This runtime cannot do that");
}

/** The runtime; uuids are `u1`, `u2`, … */
export function fakeRuntime(clock: FakeClock, over: Partial<Runtime> = {}): Runtime {
  let uuids = 0;
  return {
    ...common,
    name: "deno",
    files: EVERYWHERE,
    now: clock.now,
    monotonic: clock.monotonic,
    after: clock.after,
    nextTick: never,
    releaseNextTick: never,
    memoryBounds: never,
    memory: () => ({ ownBytes: 1000, residentBytes: 2000 }),
    uuid: () => `u${++uuids}`,
    serve: never,
    stdin: never,
    stdout: never,
    stderrIsTerminal: () => false,
    writeError: never,
    guardStdout: never,
    protocolOutput: never,
    sandbox: "never",
    version: [2, 9],
    temporary: () => "/tmp",
    program: () => "/bin/pi-server",
    spawn: never,
    followProxies: () => Promise.resolve(),
    keepCompiledCode: () => {},
    ensureEnd: () => {},
    exit: never,
    ...over,
  };
}

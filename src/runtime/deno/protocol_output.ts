// Does: gives the protocol a descriptor of its own, and makes descriptor 1 a copy of stderr.
// Used by: deno.ts, in the server thread of the program.
// Invariant: afterwards no thread, and no child of this process, can write to the real stdout.
import type { ByteSink } from "../runtime.ts";

/** Where the system's own functions are. Windows has no such functions. */
const LIBRARIES: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libc.so.6",
  darwin: "/usr/lib/libSystem.B.dylib",
};

/** FIOCLEX, the request of `ioctl` that keeps a descriptor from child processes. */
const KEEP_FROM_CHILDREN: Partial<Record<typeof Deno.build.os, bigint>> = {
  linux: 0x5451n,
  darwin: 0x20006601n,
};

const [STDOUT, STDERR] = [1, 2];

/** Bits of `poll`: room to write, and a pipe or socket without a reader (POLLERR, POLLHUP, POLLNVAL). */
const [HAS_ROOM, NO_READER] = [0x4, 0x8 | 0x10 | 0x20];

/** Milliseconds of one wait for room. */
const WAIT_MS = 1_000;

/** Writes in a row that may fail although there is room. A signal can be the reason of one. */
const MOST_FAILED = 3;

const FUNCTIONS = {
  dup: { parameters: ["i32"], result: "i32" },
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64"], result: "i32" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  wait: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  write: { parameters: ["i32", "buffer", "u64"], result: "i64", nonblocking: true },
} as const;

/** The real stdout. */
export interface ProtocolOutput extends ByteSink {
  /** Whether stdout still has a reader. */
  hasReader(): boolean;
}

type System = Deno.DynamicLibrary<typeof FUNCTIONS>["symbols"];

class OwnDescriptor implements ProtocolOutput {
  readonly #descriptor: number;
  readonly #system: System;

  constructor(descriptor: number, system: System) {
    this.#descriptor = descriptor;
    this.#system = system;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let failed = 0;
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      const written = Number(await this.#system.write(this.#descriptor, rest, BigInt(rest.length)));
      if (written > 0) {
        at += written;
        failed = 0;
      } else if (!this.hasReader() || failed++ === MOST_FAILED) {
        throw Object.assign(new Error("stdout takes no more bytes"), { code: "EPIPE" });
      } else {
        await this.#system.wait(this.#entry(HAS_ROOM), 1n, WAIT_MS);
      }
    }
  }

  hasReader(): boolean {
    const entry = this.#entry(0);
    return this.#system.poll(entry, 1n, 0) < 1 || (resultOf(entry) & NO_READER) === 0;
  }

  /** A `struct pollfd`. */
  #entry(events: number): Uint8Array<ArrayBuffer> {
    const view = new DataView(new ArrayBuffer(8));
    view.setInt32(0, this.#descriptor, true);
    view.setInt16(4, events, true);
    return new Uint8Array(view.buffer);
  }
}

function resultOf(entry: Uint8Array<ArrayBuffer>): number {
  return new DataView(entry.buffer).getInt16(6, true);
}

/** Makes descriptor 1 a copy of descriptor 2. Undefined where this is not possible; then nothing has changed. */
export function separateStdout(): ProtocolOutput | undefined {
  const [library, keepFromChildren] = [LIBRARIES[Deno.build.os], KEEP_FROM_CHILDREN[Deno.build.os]];
  if (library === undefined || keepFromChildren === undefined) return undefined;
  // Without the permission Deno might ask at the terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  try {
    const { symbols } = Deno.dlopen(library, FUNCTIONS);
    const descriptor = symbols.dup(STDOUT);
    if (descriptor < 0) return undefined;
    symbols.ioctl(descriptor, keepFromChildren);
    if (symbols.dup2(STDERR, STDOUT) < 0) return undefined;
    return new OwnDescriptor(descriptor, symbols);
  } catch {
    // A system without this library.
    return undefined;
  }
}

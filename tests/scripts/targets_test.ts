// The table of systems that binaries are made for, and the check that an executable is for the right one.
import { assertEquals } from "@std/assert";
import { COMPILE_TARGETS, ownTarget, systemOf } from "../../scripts/build/targets.ts";

/** The first bytes of an executable with these numbers at these places, little endian. */
function head(...numbers: readonly (readonly [at: number, size: 16 | 32, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  for (const [at, size, value] of numbers) {
    if (size === 16) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return bytes;
}

Deno.test("targets: executables differ by their heads", () => {
  assertEquals(systemOf(head([0, 32, 0x464c457f], [18, 16, 0x3e])), "linux-x64");
  assertEquals(systemOf(head([0, 32, 0x464c457f], [18, 16, 0xb7])), "linux-arm64");
  assertEquals(systemOf(head([0, 32, 0xfeedfacf], [4, 32, 0x0100_0007])), "macos-x64");
  assertEquals(systemOf(head([0, 32, 0xfeedfacf], [4, 32, 0x0100_000c])), "macos-arm64");
  const pe = [[0, 16, 0x5a4d], [0x3c, 32, 0x100], [0x100, 32, 0x4550]] as const;
  assertEquals(systemOf(head(...pe, [0x104, 16, 0x8664])), "windows-x64");
  assertEquals(systemOf(head(...pe, [0x104, 16, 0xaa64])), undefined);
  assertEquals(systemOf(head([0, 16, 0x5a4d], [0x3c, 32, 0xffff_fff0])), undefined);
  assertEquals(systemOf(new TextEncoder().encode("#!/bin/sh\n")), undefined);
  assertEquals(systemOf(new Uint8Array(600)), undefined);
});

Deno.test("targets: five systems with names and triples of their own, and this machine's own executable is known", async () => {
  assertEquals(new Set(COMPILE_TARGETS.map(({ name }) => name)).size, 5);
  assertEquals(new Set(COMPILE_TARGETS.map(({ triple }) => triple)).size, 5);
  const own = ownTarget();
  if (own === undefined) return;
  using file = await Deno.open(Deno.execPath());
  const bytes = new Uint8Array(4096);
  const read = await file.read(bytes);
  assertEquals(systemOf(bytes.subarray(0, read ?? 0)), own.name);
});

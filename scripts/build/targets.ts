// The systems that binaries are made for, and how a finished executable shows which of them it is for. The names
// are those of the released files and what scripts/release/install.sh and install.ps1 look for.

/** One system. */
export interface CompileTarget {
  /** `linux-x64`; the file is `pi-server-linux-x64`. */
  readonly name: string;
  /** What `deno compile --target` takes. */
  readonly triple: string;
  readonly os: typeof Deno.build.os;
  readonly arch: typeof Deno.build.arch;
  /** Ending of an executable's name there. */
  readonly suffix: "" | ".exe";
}

/** All systems that are released for. */
export const COMPILE_TARGETS: readonly CompileTarget[] = [
  { name: "linux-x64", triple: "x86_64-unknown-linux-gnu", os: "linux", arch: "x86_64", suffix: "" },
  { name: "linux-arm64", triple: "aarch64-unknown-linux-gnu", os: "linux", arch: "aarch64", suffix: "" },
  { name: "macos-x64", triple: "x86_64-apple-darwin", os: "darwin", arch: "x86_64", suffix: "" },
  { name: "macos-arm64", triple: "aarch64-apple-darwin", os: "darwin", arch: "aarch64", suffix: "" },
  { name: "windows-x64", triple: "x86_64-pc-windows-msvc", os: "windows", arch: "x86_64", suffix: ".exe" },
];

/** The system that this runs on, where it is one of them. */
export function ownTarget(): CompileTarget | undefined {
  return COMPILE_TARGETS.find(({ os, arch }) => os === Deno.build.os && arch === Deno.build.arch);
}

/** Machine codes of ELF (e_machine), Mach-O (cputype) and PE (Machine). */
const MACHINES: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  linux: [[0x3e, "linux-x64"], [0xb7, "linux-arm64"]],
  macos: [[0x0100_0007, "macos-x64"], [0x0100_000c, "macos-arm64"]],
  windows: [[0x8664, "windows-x64"]],
};

/**
 * The name of the system that an executable is for.
 *
 * @param head its first bytes, 4 KiB are plenty
 * @returns undefined when it is none that we know
 */
export function systemOf(head: Uint8Array): string | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const named = (os: string, code: number): string | undefined =>
    MACHINES[os]?.find(([machine]) => machine === code)?.[1];
  if (head.byteLength < 64) return undefined;
  if (view.getUint32(0) === 0x7f454c46) return named("linux", view.getUint16(18, true));
  if (view.getUint32(0, true) === 0xfeedfacf) return named("macos", view.getUint32(4, true));
  if (view.getUint16(0) !== 0x4d5a) return undefined;
  const header = view.getUint32(0x3c, true);
  if (header + 6 > head.byteLength || view.getUint32(header) !== 0x50450000) return undefined;
  return named("windows", view.getUint16(header + 4, true));
}

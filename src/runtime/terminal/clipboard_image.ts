// Does: reads an image from this machine's clipboard, by the programs that the system has for it.
// Used by: program_io.ts. Over ssh, the clipboard is that of the other machine.
import process from "node:process";
import type { ClipboardImage } from "./io.ts";

/** The best ones first. */
const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"] as const;
const MOST_BYTES = 50 * 1024 * 1024;
const WAIT_MS = 5000;

/** What a program wrote: nothing when it failed, `missing` when there is no such program. */
type Written = Uint8Array | undefined | "missing";
type Found = ClipboardImage | undefined | "missing";

async function written(program: string, args: readonly string[]): Promise<Written> {
  const { execFile } = await import("node:child_process");
  return await new Promise((resolve) => {
    const options = { encoding: "buffer", maxBuffer: MOST_BYTES, timeout: WAIT_MS } as const;
    execFile(program, args, options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else resolve(error.code === "ENOENT" ? "missing" : undefined);
    });
  });
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Asks a program for the types that the clipboard offers, and then for the best of them. */
async function byType(
  program: string,
  list: readonly string[],
  read: (type: string) => readonly string[],
): Promise<Found> {
  const offered = await written(program, list);
  if (offered === undefined || offered === "missing") return offered;
  const types = textOf(offered).split(/\r?\n/).map((line) => line.trim());
  const type = TYPES.find((one) => types.includes(one));
  const bytes = type === undefined ? undefined : await written(program, read(type));
  if (type === undefined || bytes === undefined || bytes === "missing" || bytes.length === 0) {
    return undefined;
  }
  return { bytes, mimeType: type };
}

const wayland = (): Promise<Found> =>
  byType("wl-paste", ["--list-types"], (type) => ["--type", type, "--no-newline"]);

const x11 = (): Promise<Found> =>
  byType("xclip", ["-selection", "clipboard", "-t", "TARGETS", "-o"], (type) => [
    ...["-selection", "clipboard", "-t", type, "-o"],
  ]);

/** AppleScript prints the image as hexadecimal digits: `«data PNGf89504E47…»`. */
async function macos(): Promise<Found> {
  const said = await written("osascript", ["-e", "the clipboard as «class PNGf»"]);
  if (said === undefined || said === "missing") return said;
  const digits = /«data PNGf([\dA-F]+)»/i.exec(textOf(said))?.[1];
  if (digits === undefined) return undefined;
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return { bytes, mimeType: "image/png" };
}

const POWERSHELL = [
  "Add-Type -AssemblyName System.Windows.Forms, System.Drawing",
  "$image = [System.Windows.Forms.Clipboard]::GetImage()",
  "if ($image) { $memory = New-Object System.IO.MemoryStream",
  "$image.Save($memory, [System.Drawing.Imaging.ImageFormat]::Png)",
  "[Convert]::ToBase64String($memory.ToArray()) }",
].join("; ");

/** The clipboard of Windows, which the Linux inside it has, too. */
async function windows(): Promise<Found> {
  const said = await written("powershell.exe", ["-NoProfile", "-STA", "-Command", POWERSHELL]);
  if (said === undefined || said === "missing") return said;
  const base64 = textOf(said).trim();
  if (base64 === "") return undefined;
  return { bytes: Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0)), mimeType: "image/png" };
}

/** The ways to this system's clipboard, the likeliest first, and what to install where none is there. */
function ways(): { readonly ways: readonly (() => Promise<Found>)[]; readonly install: string } {
  if (process.platform === "darwin") return { ways: [macos], install: "osascript" };
  if (process.platform === "win32") return { ways: [windows], install: "PowerShell" };
  const isWayland = process.env["WAYLAND_DISPLAY"] !== undefined ||
    process.env["XDG_SESSION_TYPE"] === "wayland";
  const linux = isWayland ? [wayland, x11] : [x11, wayland];
  const inWindows = process.env["WSL_DISTRO_NAME"] !== undefined;
  return {
    ways: inWindows ? [...linux, windows] : linux,
    install: isWayland ? "wl-clipboard" : "xclip",
  };
}

/** The image in the clipboard; undefined when there is none. Throws where no program reads the clipboard. */
export async function clipboardImage(): Promise<ClipboardImage | undefined> {
  const { ways: all, install } = ways();
  let missing = 0;
  for (const way of all) {
    const found = await way();
    if (found === "missing") missing++;
    else if (found !== undefined) return found;
  }
  if (missing < all.length) return undefined;
  throw new Error(
    `Nothing here reads images from the clipboard: install ${install}`,
  );
}

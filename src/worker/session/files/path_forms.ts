// Does: recognises paths that do not name a file in a folder: devices, other machines, drives. Pure.
// Used by: path_guard.ts. It judges the text before anything touches the disk.

/** Folders of the kernel. Their files are switches, devices and other processes. */
const KERNEL = ["/proc", "/sys", "/dev"] as const;

/** Windows' names for devices, with any ending. */
const RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])$/i;

const DRIVE = /^[A-Za-z]:/;

/** Whether a POSIX path lies in a folder of the kernel. */
export function isKernel(path: string): boolean {
  return KERNEL.some((top) => path === top || path.startsWith(`${top}/`));
}

function isReserved(part: string): boolean {
  return RESERVED.test(part.split(".")[0]?.trimEnd() ?? "");
}

/** Whether a path has a form that leads out of the file system on any machine. */
export function isForeign(path: string, separator: string): boolean {
  if (separator !== "\\") return path.startsWith("\\\\") || /^[A-Za-z]:(?:[\\/]|$)/.test(path);
  // UNC names, `\\?\` and `\\.\`, in either slash.
  if (/^[\\/]{2}/.test(path)) return true;
  // `C:name` counts from the current folder of that drive.
  if (DRIVE.test(path) && !/^[A-Za-z]:[\\/]/.test(path)) return true;
  const parts = path.replace(DRIVE, "").split(/[\\/]/);
  return parts.some((part) =>
    isReserved(part) || /[<>:"|?*\p{Cc}]/u.test(part) ||
    (/[. ]$/.test(part) && part !== "." && part !== "..")
  );
}

/**
 * Whether the path of a missing file is a name of another system. On POSIX an existing file may be called `aux` or
 * hold a backslash; no such file is created.
 */
export function isOfAnotherSystem(path: string, separator: string): boolean {
  if (separator === "\\") return false;
  return path.includes("\\") || DRIVE.test(path) || path.split("/").some(isReserved);
}

// Names of paths that mean something else than a file in a folder: devices, other machines, drives, and what only
// some systems take for a name. Judged as text, before anything is looked at. Pure.

/** Folders of the kernel's, whose files are switches, devices and other processes. */
const KERNEL = ["/proc", "/sys", "/dev"] as const;

/** Windows' names for devices, whatever stands behind a dot. */
const RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])$/i;

const DRIVE = /^[A-Za-z]:/;

/** Whether a POSIX path lies in a folder of the kernel's. */
export function isKernel(path: string): boolean {
  return KERNEL.some((top) => path === top || path.startsWith(`${top}/`));
}

function isReserved(part: string): boolean {
  return RESERVED.test(part.split(".")[0]?.trimEnd() ?? "");
}

/** Whether a path that a client names is of a form that leads out of the file system on any machine. */
export function isForeign(path: string, separator: string): boolean {
  if (separator !== "\\") return path.startsWith("\\\\") || /^[A-Za-z]:(?:[\\/]|$)/.test(path);
  // UNC names, `\\?\` and `\\.\`, in either slash.
  if (/^[\\/]{2}/.test(path)) return true;
  // `C:name` counts from wherever that drive happens to be.
  if (DRIVE.test(path) && !/^[A-Za-z]:[\\/]/.test(path)) return true;
  const parts = path.replace(DRIVE, "").split(/[\\/]/);
  return parts.some((part) =>
    isReserved(part) || /[<>:"|?*\p{Cc}]/u.test(part) ||
    (/[. ]$/.test(part) && part !== "." && part !== "..")
  );
}

/**
 * Whether a path that leads to nothing here is a name of another system. On POSIX a file may be called `aux` or
 * hold a backslash, and is used if it is there; none is made.
 */
export function isOfAnotherSystem(path: string, separator: string): boolean {
  if (separator === "\\") return false;
  return path.includes("\\") || DRIVE.test(path) || path.split("/").some(isReserved);
}

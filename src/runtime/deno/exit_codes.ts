// Does: makes the exit code of a killed child null on Deno before 2.8, as on Node.
// Used by: deno.ts. Deno reports 128 plus the signal's number, so a killed shell looks like one that ended itself.
// Invariant: it changes Deno.Command, which `child_process` uses.

/** The first minor version of Deno 2 that is known to be right. 2.6 is wrong. */
const MENDED_MINOR = 8;

/** Makes the exit code of children that a signal has killed null, on a Deno that returns another one. */
export function patchExitCodes(): void {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  if (major !== 2 || minor === undefined || minor >= MENDED_MINOR) return;
  const { prototype } = Deno.Command;
  const { spawn } = prototype;
  prototype.spawn = function (): Deno.ChildProcess {
    const child = spawn.call(this);
    const status = child.status.then((ended) => ended.signal === null ? ended : { ...ended, code: null });
    Object.defineProperty(child, "status", { value: status });
    return child;
  };
}

// How children of Node's `child_process` end on Deno before 2.8: one that a signal has killed is said to have exited
// with 128 and the signal's number, where Node says null, so a killed shell looked like one that ended by itself.
// The module asks Deno.Command underneath; this tells it what Node would. Imported by deno.ts alone.

/** The first minor version of Deno 2 that is known to need nothing; 2.6 does. */
const MENDED_MINOR = 8;

/** Makes the code of children that a signal has killed null, on a Deno that tells another one. */
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

// Does: makes the n-th write, fsync or rename of the state folder fail, wait, or kill the process, for crash tests.
// Used by: common.ts. Off unless PI_SERVER_FAULTS is set, such as write:journal=torn@7,sync=ENOSPC@2-4,rename=kill@1.
// Invariant: no client can set it. An entry has the call, a part of the file's name, the fault, and which calls.
import process from "node:process";

/** The calls that can fail. */
export type FaultPoint = "write" | "sync" | "rename";

interface Fault {
  readonly point: string;
  readonly name: string;
  readonly action: string;
  readonly first: number;
  readonly last: number;
  count: number;
}

function parse(text: string): Fault[] {
  return text.split(",").flatMap((one) => {
    const [, point = "", name = "", action = "", first, range, last] =
      /^(write|sync|rename)(?::([\w.]+))?=([A-Za-z]+[0-9]*)(?:@([0-9]+)(-([0-9]*))?)?$/.exec(one.trim()) ??
        [];
    if (point === "") return [];
    const from = first === undefined ? 1 : Number(first);
    const to = first === undefined ? Infinity : range === undefined ? from : last ? Number(last) : Infinity;
    return [{ point, name, action, first: from, last: to, count: 0 }];
  });
}

const LATE_MS = 400;
const FAULTS: readonly Fault[] = parse(process.env["PI_SERVER_FAULTS"] ?? "");

/** The fault of this call, if there is one. */
function striking(point: FaultPoint, file: string): Fault | undefined {
  const meant = FAULTS.filter((one) => one.point === point && file.includes(one.name));
  for (const one of meant) one.count++;
  return meant.find(({ count, first, last }) => first <= count && count <= last);
}

function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/**
 * Does `act`, unless this call has a fault.
 *
 * @param half does half of it, for a process that dies in the middle
 */
export async function withFaults(
  point: FaultPoint,
  file: string,
  act: () => Promise<unknown>,
  half: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const fault = striking(point, file);
  if (fault === undefined) return void await act();
  const { action } = fault;
  if (action === "kill") await die();
  // Long enough for every step that does not wait for this call.
  if (action === "late") {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    await die();
  }
  if (action === "torn") {
    await half();
    await die();
  }
  if (action.startsWith("slow")) await new Promise((resolve) => setTimeout(resolve, Number(action.slice(4))));
  else if (action !== "after") {
    await half();
    throw Object.assign(new Error(`${action}: ${point} failed on purpose`), { code: action });
  }
  await act();
  if (action === "after") await die();
}

// Which processes a session may signal: every other one, and never this one or its group, in whatever form the id comes.
import { assertEquals } from "@std/assert";
import process from "node:process";
import { toOthers } from "../../src/runtime/process_guard.ts";

function groupOf(): number {
  const stat = Deno.readTextFileSync("/proc/self/stat");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

Deno.test("process guard: no form of an id of this process or its group gets a signal", () => {
  const { pid } = process;
  const own: unknown[] = [pid, String(pid), ` ${pid} `, `${pid}.0`, `0x${pid.toString(16)}`, BigInt(pid), [
    pid,
  ]];
  own.push(pid + 2 ** 32, pid + 0.5, BigInt(pid) + 2n ** 32n, -pid, String(-pid), -1, "-1", 0, "0", -0, "");
  own.push(null, false, undefined, "no number", NaN);
  if (Deno.build.os === "linux") own.push(-groupOf(), `${-groupOf()}`);
  for (const id of own) assertEquals(toOthers([id, "SIGTERM"]), false, `${typeof id} ${String(id)}`);
});

Deno.test("process guard: other processes get signals, and anybody may ask whether one lives", () => {
  const { pid } = process;
  for (const id of [pid + 1, String(pid + 1), BigInt(pid + 1), -(pid + 1)]) {
    if (-groupOf() === Number(id)) continue;
    assertEquals(toOthers([id, "SIGTERM"]), true, String(id));
  }
  assertEquals([toOthers([pid, 0]), toOthers([0, 0]), toOthers([pid, "0"])], [true, true, false]);
});

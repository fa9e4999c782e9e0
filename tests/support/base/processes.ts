// Processes of this machine, as Linux tells of them.

/** Whether that process is there; one without a waiting parent counts as gone. */
export async function lives(pid: string): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/^Z/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

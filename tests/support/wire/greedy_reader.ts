// A process that asks for something large many times at once and reads the answers as fast as it can, so that a
// test can see what others notice of it. Prints a line once it has asked and one at the end.
// Usage: deno run -A greedy_reader.ts <url> <token> <command as JSON> <times>
import { RawSocket } from "../network/channel.ts";

if (import.meta.main) {
  const [url = "", token = "", command = "", times = "1"] = Deno.args;
  const channel = await RawSocket.connect(url, token);
  let answered = 0;
  const done = Promise.withResolvers<void>();
  channel.onText = (text) => {
    if (text.startsWith('{"id":"greedy"') && ++answered === Number(times)) done.resolve();
  };
  void channel.closed.then((code) => done.reject(new Error(`closed with ${code} after ${answered} answers`)));
  for (let n = 0; n < Number(times); n++) {
    channel.send(JSON.stringify({ ...JSON.parse(command), id: "greedy" }));
  }
  console.log("asked");
  await done.promise;
  console.log("answered");
  Deno.exit(0);
}

/** Such a process; `asked` once it has sent everything, `answered` with the exit code once it has everything. */
export function greedy(url: string, token: string, command: string, times: number): {
  readonly asked: Promise<void>;
  readonly answered: Promise<number>;
} {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL(import.meta.url).pathname, url, token, command, String(times)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const asked = reader.read().then(() => {});
  const answered = asked.then(async () => {
    while (!(await reader.read()).done);
    return (await child.status).code;
  });
  return { asked, answered };
}

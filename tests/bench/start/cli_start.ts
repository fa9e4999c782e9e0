// What `pi-server run` adds to a run against a server that runs: the time from its start to the first byte of the
// answer, less what the server itself takes from `create_session` to the first piece. Both in turns, in one run.
// Usage: PI_SERVER_TARGET=sources|node|binary deno run -A tests/bench/start/cli_start.ts [rounds]
import { programOf, variables } from "../../support/server/command_line.ts";
import { at } from "../../support/base/json.ts";
import { ModelServer, text } from "../../support/model/model_server.ts";
import { Home, ServerProcess, TARGET } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";

const DEFAULT_ROUNDS = 11;
const rounds = Number(Deno.args[0] ?? DEFAULT_ROUNDS);

/** The middle of some numbers. */
function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}

/** From the start of the program to the first byte of its answer. */
async function ofRun(home: Home): Promise<number> {
  const { program, args } = programOf();
  const started = performance.now();
  const child = new Deno.Command(program, {
    args: [...args, "run", "--quiet", "--rm", "measure"],
    cwd: home.root,
    clearEnv: true,
    env: variables(home),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const took = performance.now() - started;
  while (!(await reader.read()).done) { /* to its end */ }
  await child.status;
  return took;
}

/** From `create_session` on an open connection to the first piece of the answer. */
async function ofServer(server: ServerProcess): Promise<number> {
  const wire = await server.connect();
  const started = performance.now();
  const { sessionId } = await wire.ok({ type: "create_session" }, 30_000);
  await wire.ok({ type: "subscribe", sessionId });
  wire.send({ id: "p", type: "prompt", sessionId, message: "measure" });
  const first = (): true | undefined =>
    wire.messages.some((one) => at(one, "event", "assistantMessageEvent", "type") === "text_delta") ||
    undefined;
  await until(() => Promise.resolve(first()), 30_000, () => "the first piece");
  const took = performance.now() - started;
  await wire.ok({ type: "delete_session", sessionId });
  await wire.close();
  return took;
}

await using model = new ModelServer();
model.handler = () => text(["a", "b"]);
const home = await Home.make(model.url);
const server = await ServerProcess.start(home);
try {
  const runs: number[] = [];
  const own: number[] = [];
  // The first of each loads what the others find loaded.
  await ofServer(server);
  await ofRun(home);
  for (let round = 0; round < rounds; round++) {
    own.push(await ofServer(server));
    runs.push(await ofRun(home));
  }
  const [run, serverMs] = [median(runs), median(own)];
  const least = Math.min(...runs) - Math.min(...own);
  console.log(
    `${TARGET}: run ${run.toFixed(0)} ms, the server itself ${serverMs.toFixed(0)} ms, run adds ` +
      `${(run - serverMs).toFixed(0)} ms (least ${least.toFixed(0)} ms); load ${
        Deno.loadavg()[0]?.toFixed(1)
      }`,
  );
} finally {
  await server.kill();
  await home.remove();
}

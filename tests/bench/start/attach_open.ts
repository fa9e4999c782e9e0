// How long `pi-server attach` takes to show the end of a session with 10,000 messages, from the start of the program.
// Beside it the same session with two messages, in turns: what the length of the history adds.
// Usage: PI_SERVER_TARGET=sources|node|binary deno run -A tests/bench/start/attach_open.ts [rounds]
import { commandOf, Home, ServerProcess, TARGET } from "../../support/server/server_process.ts";
import { ModelServer } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { Terminal } from "../../support/fronts/tmux.ts";
import { median } from "../support/report.ts";

const MESSAGES = 10_000;
const DEFAULT_ROUNDS = 7;
const rounds = Number(Deno.args[0] ?? DEFAULT_ROUNDS);

await using model = new ModelServer();
const home = await Home.make(model.url);
const server = await ServerProcess.start(home, { args: ["--root", home.agentDir] });

/** Writes a session of that length and loads it. */
async function load(sessionId: string, messages: number, uuid: string): Promise<void> {
  const entries = new Entries();
  for (let n = 0; n < messages / 2; n++) {
    entries.user(`question ${n}, with **some** words that fill a line`);
    entries.assistant(`answer ${n}\n\n- one point\n- another point\n\n\`\`\`ts\nconst n = ${n};\n\`\`\``);
  }
  const cwd = await home.folder(sessionId);
  const sessionPath = `${home.agentDir}/sessions/${sessionId}/${sessionId}.jsonl`;
  await writeSession(sessionPath, uuid, cwd, entries.all);
  const wire = await server.connect();
  await wire.ok({ type: "load_session", sessionId, sessionPath }, 60_000);
  await wire.close();
}

/** Milliseconds from the start of the program until the screen shows that. */
async function open(sessionId: string, shown: string): Promise<number> {
  const { program, args } = commandOf();
  const own = args.filter((arg) => !["--sandbox", "on"].includes(arg));
  const command = [program, ...own, "attach", "--state-dir", home.stateDir, sessionId];
  const started = performance.now();
  const terminal = await Terminal.run(home, command, { cwd: home.root });
  await terminal.shows(shown);
  const took = performance.now() - started;
  await terminal.close();
  return took;
}

try {
  await load("long", MESSAGES, "0197f000-0000-7000-8000-000000000001");
  await load("short", 2, "0197f000-0000-7000-8000-000000000002");
  // The first of each loads what the others find loaded.
  const last = `const n = ${MESSAGES / 2 - 1};`;
  await open("long", last);
  await open("short", "const n = 0;");
  const [long, short]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    long.push(await open("long", last));
    short.push(await open("short", "const n = 0;"));
  }
  console.log(
    `${TARGET}: attach shows the end of ${MESSAGES} messages after ${median(long).toFixed(0)} ms ` +
      `(most ${Math.max(...long).toFixed(0)}), of 2 after ${median(short).toFixed(0)} ms; load ${
        Deno.loadavg()[0]?.toFixed(1)
      }`,
  );
} finally {
  await server.kill();
  await home.remove();
}

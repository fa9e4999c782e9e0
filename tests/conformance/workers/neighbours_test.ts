// While one session is given inputs that were able to stop a worker, a second session of the same worker prompts, reads
// and streams. It loses nothing, and no answer is late, except where docs/OPERATIONS.md names the time.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, brief, type JsonObject, stringAt } from "../../support/base/json.ts";
import { greedy } from "../../support/wire/greedy_reader.ts";
import { calls, Gate, OPENAI, type Step, text } from "../../support/model/model_server.ts";
import type { ToolCall } from "../../support/model/model_stream.ts";
import { modelOf, RawModel, refusal, say } from "../../support/model/raw_model.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { processorMs, StolenTime } from "../../support/base/stolen_time.ts";
import { delay, until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

const MIB = 1024 * 1024;
/** The most that an answer to the neighbour may take, in milliseconds. */
const LATE_MS = 250;
const LOADING = "loading 160 MiB";
/** The exceptions of docs/OPERATIONS.md#what-slows-the-neighbours. */
const DOCUMENTED_MS: Readonly<Record<string, number>> = {
  [LOADING]: 2_400,
  "images that providers refuse": 500,
  "large answers, pipelined": 600,
};
const PIECES = 4;

/** Work of a known size: text, and memory that this process has not touched yet. */
const PROBE = Array.from({ length: 4096 }, (_, n) => ({ n, text: "x".repeat(1024) + n }));
const [PROBE_BYTES, NEW_BYTES, PAGE_BYTES] = [64 * MIB, 24 * MIB, 4096];
/** Milliseconds of a processor for it on the machine on which the bounds were measured. */
const PROBE_MS = 40;

/**
 * How many times slower than that one a processor of this machine is, at least 1. Waiting for it does not count. New
 * memory is part of it: some virtual machines take 15 µs for a page, and this whole suite three times the processor time.
 */
async function slowness(): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const before = processorMs();
    JSON.parse(JSON.stringify(PROBE));
    // The system gives so large a block anew each time, and only the pages that are touched cost something.
    const fresh = new Uint8Array(PROBE_BYTES);
    for (let at = 0; at < NEW_BYTES; at += PAGE_BYTES) fresh[at] = 1;
    times.push(processorMs() - before);
    await delay(20);
  }
  times.sort((a, b) => a - b);
  return Math.max(1, (times[2] ?? 0) / PROBE_MS);
}

/** Milliseconds of a processor in which this thread reads and parses that history: mostly memory that it had not yet. */
async function parsingMs(file: string): Promise<number> {
  const before = processorMs();
  const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line));
  assert(entries.length > 300, String(entries.length));
  return processorMs() - before;
}
/** The most times as long as that, that pi's loading of the history may hold its neighbours up. */
const LOADING_TIMES = 3;

/** The session that gets the inputs. */
interface Loud {
  readonly bench: Bench;
  readonly wire: Wire;
  readonly id: string;
  readonly cwd: string;
}

/** An answer, and the milliseconds of it that other programs took. */
interface Timed {
  readonly what: string;
  readonly ms: number;
  readonly stolen: number;
}

/** The session beside it. */
class Neighbour {
  readonly #bench: Bench;
  readonly #wire: Wire;
  readonly #id: string;
  readonly #stolen: StolenTime;
  #times: Timed[] = [];

  constructor(bench: Bench, wire: Wire, id: string) {
    this.#stolen = new StolenTime(bench.server.pid);
    this.#bench = bench;
    this.#wire = wire;
    this.#id = id;
  }

  /** Works until the input is done, and returns its slowest answer. */
  async during(input: Promise<void>): Promise<Timed & { answers: number }> {
    this.#times = [];
    let isDone = false;
    const done = input.finally(() => isDone = true);
    // A failure of the input is thrown below.
    done.catch(() => {});
    do await this.#round(); while (!isDone);
    await done;
    const own = ({ ms, stolen }: Timed): number => ms - stolen;
    const slowest = this.#times.reduce((worst, one) => own(one) > own(worst) ? one : worst);
    return { ...slowest, answers: this.#times.length };
  }

  async #timed<T>(what: string, work: Promise<T>): Promise<T> {
    const [before, stolen] = [performance.now(), this.#stolen.begin()];
    const result = await work;
    const ms = performance.now() - before;
    this.#times.push({ what, ms, stolen: stolen() });
    return result;
  }

  async #round(): Promise<void> {
    const [wire, sessionId] = [this.#wire, this.#id];
    await this.#timed("ping", wire.ok({ type: "ping" }, 60_000));
    await this.#timed("get_state", wire.ok({ type: "get_state", sessionId }, 60_000));
    await this.#timed("get_messages", wire.ok({ type: "get_messages", sessionId, limit: 1 }, 60_000));
    const marker = this.#bench.name("near");
    const words = Array.from({ length: PIECES }, (_, n) => `${marker}:${n}; `);
    const gates = words.map(() => new Gate());
    this.#bench.model.script(marker, text(words, { hold: (index) => gates[index]?.opened }));
    const run = wire.request(
      { type: "prompt", sessionId, message: marker, waitFor: "settled" },
      60_000,
    );
    await this.#timed("the start of a run", wire.event(sessionId, "agent_start", undefined, 60_000));
    for (const [index, gate] of gates.entries()) {
      gate.open();
      const isIt = (event: unknown) => JSON.stringify(event).includes(words[index] ?? "");
      await this.#timed("a piece", wire.event(sessionId, "message_update", isIt, 60_000));
    }
    const { success, data } = await this.#timed("the end of a run", run);
    assert(success, JSON.stringify(data));
    assertEquals(stringAt(data, "text"), words.join(""));
  }
}

/** A turn of the loud session in which the model calls those tools. */
async function use({ bench, wire, id }: Loud, ...made: ToolCall[]): Promise<string> {
  const marker = bench.name("loud");
  bench.model.script(marker, calls(made) as Step, text(["done"]));
  const run = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
  await wire.ok(run, 60_000);
  return (await bench.model.request(marker, 1)).toolResults.join("\n");
}

/** Registers the model beside the one that all tests have. */
async function addModel({ home: { agentDir } }: Bench, model: RawModel): Promise<void> {
  const file = `${agentDir}/models.json`;
  const before = JSON.parse(await Deno.readTextFile(file));
  await model.register(agentDir);
  const added = JSON.parse(await Deno.readTextFile(file));
  const providers = { ...before.providers, ...added.providers };
  await Deno.writeTextFile(file, JSON.stringify({ providers }));
}

async function shell(command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("bash", { args: ["-c", command] }).output();
  assert(success, new TextDecoder().decode(stderr));
}

const path = "big.log";
const edit = (file: string) => ({ path: file, edits: [{ oldText: "a", newText: "b" }] });

const TOOLS: Readonly<Record<string, ToolCall>> = {
  "read of 400 MB": { name: "read", args: { path } },
  "read with a limit of 400 MB": { name: "read", args: { path, offset: 5, limit: 10 } },
  "edit of 400 MB": { name: "edit", args: edit(path) },
  "grep in 400 MB": { name: "grep", args: { pattern: "no such text", path } },
  "find beside 400 MB": { name: "find", args: { pattern: "*.log", path: "." } },
  "read of /dev/zero": { name: "read", args: { path: "endless" } },
  "edit of /dev/zero": { name: "edit", args: edit("endless") },
  "read of a sparse file of 3 GB": { name: "read", args: { path: "sparse" } },
  "edit of a sparse file of 3 GB": { name: "edit", args: edit("sparse") },
  "edit of a pipe": { name: "edit", args: edit("pipe") },
  "write to a pipe": { name: "write", args: { path: "pipe", content: "x" } },
  "grep in a pipe": { name: "grep", args: { pattern: "x", path: "pipe" } },
  "ls of a pipe": { name: "ls", args: { path: "pipe" } },
  "a tool result of blanks": { name: "bash", args: { command: "printf '  \\n\\n'" } },
};

/** Sessions in untrusted folders whose instructions are endless. */
async function untrusted({ bench, wire }: Loud): Promise<void> {
  for (const name of ["AGENTS.md", "CLAUDE.md", ".pi/SYSTEM.md", ".pi/APPEND_SYSTEM.md"]) {
    for (const make of ["ln -s /dev/zero", "mkfifo"]) {
      const cwd = await bench.home.folder(bench.name("untrusted"));
      await shell(`mkdir -p ${cwd}/.pi && ${make} ${cwd}/${name}`);
      await wire.ok({ type: "create_session", sessionId: bench.name("untrusted"), cwd }, 60_000);
    }
  }
}

/** Session files whose entries form no tree, and one that is too large. */
async function broken({ bench, wire, id, cwd }: Loud): Promise<void> {
  const good = new Entries();
  good.user("a");
  good.assistant("b");
  const [a = {}, b = {}] = good.all;
  const made = {
    circle: [{ ...a, parentId: b.id ?? null }, b],
    self: [a, { ...b, parentId: b.id ?? null }],
    equal: [a, b, { ...a, parentId: b.id ?? null }],
    large: [a, b],
  };
  for (const [name, entries] of Object.entries(made)) {
    const file = `${cwd}/${name}.jsonl`;
    await writeSession(file, bench.name("broken"), cwd, entries);
    if (name === "large") await Deno.truncate(file, 450 * MIB);
    const answer = await wire.request({ type: "load_session", sessionPath: file }, 60_000);
    const { success, code } = answer;
    if (name === "large") {
      // It can be read, and runs nothing.
      assert(
        success === true && typeof at(answer, "data", "sessionInfo", "unloaded") === "string",
        brief(answer),
      );
      const sessionId = stringAt(answer, "data", "sessionId");
      const refused = await wire.request({ type: "prompt", sessionId, message: "go on" }, 60_000);
      assertEquals(refused.code, "session_file_too_large", brief(refused));
      await wire.ok({ type: "delete_session", sessionId });
      continue;
    }
    assert(success === false && typeof code === "string" && code !== "internal", `${name}: ${code}`);
    const switched = { type: "switch_session_file", sessionId: id, sessionPath: file };
    const also = await wire.request(switched, 60_000);
    assertEquals(also.code, code, `${name}: ${brief(also)}`);
  }
}

/** Images that a provider would refuse. */
async function images({ wire, id }: Loud): Promise<void> {
  const png = "iVBORw0KGgo";
  for (const data of ["not base64!", png, "A".repeat(8 * MIB), btoa("<svg/>")]) {
    const image = { type: "image", data, mimeType: "image/png" };
    const { success } = await wire.request({
      type: "prompt",
      sessionId: id,
      message: "see",
      images: [image],
    });
    assertEquals(success, false, data.slice(0, 20));
  }
}

/** A login whose refresh never ends, and a tool whose result has no content. */
const WAITING = `import { appendFileSync } from "node:fs";
export default function (pi) {
  pi.registerProvider("stuck", {
    baseUrl: "http://127.0.0.1:9", api: "openai-completions",
    oauth: {
      name: "Stuck", login: async () => { throw new Error("no"); },
      refreshToken: () => { appendFileSync("REFRESHED", "x"); return new Promise(() => {}); },
      getApiKey: (credentials) => credentials.access,
    },
    models: [{ id: "m", name: "m", reasoning: false, input: ["text"], contextWindow: 100000, maxTokens: 4096,
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } }],
  });
  pi.registerTool({
    name: "empty", label: "empty", description: "e", parameters: { type: "object", properties: {} },
    async execute() { return { details: {} }; },
  });
}`;
/** Milliseconds in which the neighbour works while a session waits. */
const WAIT_MS = 1_000;
/** The most that an abort of a wait may take. */
const ABORT_MS = 1_000;

/** A session in a folder of its own with that extension, whose provider's SDK may sleep as long as a provider says. */
async function waiting({ bench, wire }: Loud): Promise<{ id: string; cwd: string; refreshed: () => number }> {
  const cwd = await bench.home.folder(bench.name("waiting"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  const refreshes = `${cwd}/refreshed`;
  await Deno.writeTextFile(`${cwd}/.pi/extensions/waiting.ts`, WAITING.replace("REFRESHED", refreshes));
  const settings = {
    compaction: { keepRecentTokens: 10, reserveTokens: 1_000 },
    retry: { provider: { maxRetries: 2, maxRetryDelayMs: 0 } },
  };
  await Deno.writeTextFile(`${cwd}/.pi/settings.json`, JSON.stringify(settings));
  const sessionId = bench.name("waiting");
  const { id } = await bench.watched(wire, {
    sessionId,
    cwd,
    trustProject: true,
    ...modelOf("openai-completions"),
  });
  const refreshed = () => {
    try {
      return Deno.statSync(refreshes).size;
    } catch {
      return 0;
    }
  };
  return { id, cwd, refreshed };
}

/** Starts what waits, and ends the wait after a while. Returns the answer of what waited. */
async function endWait(
  wire: Wire,
  command: JsonObject,
  waits: () => number,
  stop: JsonObject,
  codes: readonly string[] = ["cancelled"],
): Promise<void> {
  const before = waits();
  const running = wire.request(command, 60_000);
  await until(() => waits() > before || undefined, 30_000, () => "nothing waits");
  await delay(WAIT_MS);
  const begun = performance.now();
  await wire.ok(stop);
  const answer = await running;
  const ms = performance.now() - begun;
  assert(ms < ABORT_MS, `${String(stop.type)} took ${ms} ms`);
  assert(codes.includes(String(answer.code)), brief(answer));
}

/** A read of a pipe waits, until it is aborted. */
async function pipe({ bench, wire, id }: Loud): Promise<void> {
  const marker = bench.name("pipe");
  bench.model.script(marker, calls([{ name: "read", args: { path: "pipe" } }]) as Step, text(["done"]));
  const run = wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
  await bench.model.request(marker);
  await delay(WAIT_MS);
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await run).code, "cancelled");
}

async function flood(loud: Loud): Promise<void> {
  const command = "timeout 4 yes";
  await loud.wire.ok({ type: "bash", sessionId: loud.id, command }, 60_000);
  await use(loud, { name: "bash", args: { command } });
}

alone(
  "neighbours: whatever work one session has, another one prompts, reads and streams in time",
  async (bench) => {
    let [refuses, hangs] = [true, false];
    const silence = new Gate();
    await using model = new RawModel(async ({ api }) => {
      if (hangs) await silence.opened;
      if (refuses) return refusal(429, "Rate limit reached", { "retry-after": "99999" });
      return say(api, "fine ".repeat(100));
    });
    await addModel(bench, model);
    const login = { type: "oauth", access: "a", refresh: "r", expires: 1 };
    await Deno.writeTextFile(`${bench.home.agentDir}/auth.json`, JSON.stringify({ stuck: login }));
    // Before any connection: a busy machine takes long for it, and a client that answers no ping is gone.
    const cwd = await bench.home.folder("loud");
    await shell(`cd ${cwd} && yes "short line" | head -c 400000000 > ${path} && truncate -s 3G sparse &&
    ln -s /dev/zero endless && mkfifo pipe`);
    const history = new Entries();
    for (let turn = 0; turn < 160; turn++) {
      history.user(`turn ${turn} ${"x".repeat(MIB)}`);
      history.assistant(`answer ${turn}`);
    }
    const large = `${cwd}/history.jsonl`;
    await writeSession(large, bench.name("history"), cwd, history.all);
    const loadingMs = LOADING_TIMES * await parsingMs(large);
    await bench.start(["--workers", "1"]);
    const wire = await bench.connect("loud");
    const quiet = await bench.connect("quiet");
    const tools = ["read", "write", "edit", "grep", "find", "ls", "bash"];
    const { id } = await bench.session(wire, { cwd, tools, ...OPENAI });
    const loud = { bench, wire, id, cwd };
    const { id: near } = await bench.watched(quiet, { ...OPENAI });
    const neighbour = new Neighbour(bench, quiet, near);
    const [token, { url }] = [await bench.server.token(), await bench.server.endpoint()];

    const inputs: Record<string, (loud: Loud) => Promise<void>> = {
      nothing: () => delay(500),
      ...Object.fromEntries(
        Object.entries(TOOLS).map(([name, call]) => [name, async (one: Loud) => {
          const result = await use(one, call);
          assert(result.length > 0 && result.length < 60_000, `${name}: ${result.length} characters`);
        }]),
      ),
      "read of a pipe": pipe,
      "untrusted folders that are endless": untrusted,
      "broken session files": broken,
      "a flood of a shell": flood,
      "images that providers refuse": images,
      "a long Retry-After": async () => {
        const { id: waits } = await bench.watched(wire, { ...modelOf("openai-completions") });
        const run = wire.request(
          { type: "prompt", sessionId: waits, message: "go", waitFor: "settled" },
          30_000,
        );
        await wire.event(waits, "auto_retry_start", undefined, 10_000);
        await wire.ok({ type: "abort", sessionId: waits });
        assertEquals((await run).code, "cancelled");
        refuses = false;
        assertStringIncludes(stringAt(await settled(wire, waits, "again"), "text"), "fine");
      },
      "the first extension of a worker": async () => void await waiting(loud),
      "a refresh of a login that hangs": async () => {
        const { id, refreshed } = await waiting(loud);
        await wire.ok({ type: "set_model", sessionId: id, provider: "stuck", modelId: "m" });
        const prompt = { type: "prompt", sessionId: id, message: "go", waitFor: "settled" };
        await endWait(wire, prompt, refreshed, { type: "abort", sessionId: id });
        await wire.ok({ type: "set_model", sessionId: id, ...modelOf("openai-completions") });
        assertStringIncludes(stringAt(await settled(wire, id, "again"), "text"), "fine");
      },
      "abort_compaction in a long Retry-After, a silent request and a refresh that hangs": async () => {
        const { id } = await waiting(loud);
        for (const message of ["one", "two", "three"]) await settled(wire, id, message);
        const [compact, stop] = ["compact", "abort_compaction"].map((type) => ({ type, sessionId: id }));
        assert(compact && stop);
        refuses = true;
        // The summary's request of pi 0.73 has no retries at all.
        await endWait(wire, compact, () => model.requests.length, stop, ["cancelled", "agent_error"]);
        refuses = false;
        hangs = true;
        await endWait(wire, compact, () => model.requests.length, stop);
        hangs = false;
        silence.open();
        await wire.ok({ type: "set_model", sessionId: id, provider: "stuck", modelId: "m" });
        // The refresh before may hold the lock of the logins; then this one waits for that.
        const starts = () => wire.events(id).filter(({ type }) => type === "compaction_start").length;
        await endWait(wire, compact, starts, stop);
        await wire.ok({ type: "set_model", sessionId: id, ...modelOf("openai-completions") });
        await wire.ok(compact, 60_000);
        assertStringIncludes(stringAt(await settled(wire, id, "again"), "text"), "fine");
      },
      "a tool of an extension without content": async () => {
        const { id, cwd } = await waiting(loud);
        await wire.ok({ type: "set_model", sessionId: id, ...OPENAI });
        const result = await use({ bench, wire, id, cwd }, { name: "empty", args: {} });
        assertEquals(result, "(no output)");
      },
      [LOADING]: async () => {
        await wire.ok({ type: "load_session", sessionId: "large-x", sessionPath: large }, 60_000);
      },
      "large answers, pipelined": async () => {
        const command = JSON.stringify({ type: "get_messages", sessionId: "large-x" });
        assertEquals(await greedy(url, token, command, 3).answered, 0);
      },
      "an export of 160 MiB": async () => {
        await wire.refused("session_too_large", { type: "export_html", sessionId: "large-x" }, 60_000);
      },
    };
    const late: string[] = [];
    let earlier = await slowness();
    for (const [name, input] of Object.entries(inputs)) {
      const begun = performance.now();
      const { what, ms, stolen, answers } = await neighbour.during(input(loud));
      const took = performance.now() - begun;
      const now = await slowness();
      const slower = Math.max(earlier, now);
      earlier = now;
      const line =
        `${name} (${took.toFixed(0)} ms): ${answers} answers, slowest ${what} ${
          ms.toFixed(0)
        } ms, of which ` +
        `other programs took ${stolen.toFixed(0)} ms; a processor is ${slower.toFixed(1)} times slower`;
      console.log(`${TARGET}: ${line}`);
      const most = (DOCUMENTED_MS[name] ?? LATE_MS) * slower;
      // New memory is ten times as dear on some virtual machines.
      if (ms - stolen > (name === LOADING ? Math.max(most, loadingMs) : most)) late.push(line);
    }
    assertEquals(late, []);
    assert(!/died|too slowly|silent/.test(bench.server.stderr), bench.server.stderr);
  },
);

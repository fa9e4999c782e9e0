// What the run through a gateway leaves out, each with its reason: files and cases about the process itself. A case is
// named by the start of its name.

const PROCESS = "is about one process: its start, signals, folders and pipes";
const BUILD = "is about what a build contains";
const MILLISECONDS = "holds a server to milliseconds; the benchmark measures a gateway";
const WORKERS = "is about the workers of one process";
const COUNTERS = "reads the counters of one process; `nodes` of get_metrics has the other ones";
const GATE = "is about the gate of one server, and a gateway has the same one";

/** Files of the conformance suite that the run leaves out. */
export const FILES_OF_THE_PROCESS: Readonly<Record<string, string>> = {
  ...all(
    PROCESS,
    "cli_completion cli_docs cli_server discovery disk docs engine file_modes framing journal_cut leases loopback",
    "operator orphan process start_folder state_folder state_pipes",
  ),
  ...all(BUILD, "bundlers npm_packages package_modules pi_versions shipped versions"),
  ...all(MILLISECONDS, "control dead_peer delivery_fair dialogs_life flood latency neighbours"),
  ...all(WORKERS, "frozen isolation sandbox traps worker_loss"),
  ...all(GATE, "gate gate_headers network proxy"),
};

/** Cases of other files. */
const CASES: Readonly<Record<string, string>> = {
  "metrics: ": COUNTERS,
  "health: a stuck worker": COUNTERS,
  "user packages: a worker asks npm for its folder once": WORKERS,
  "rpc: with --linger the server and the run outlive it": PROCESS,
  "roles: a new token of the server ends what was minted from the one before": PROCESS,
};

/** Why a case is left out of the run through a gateway; undefined when it runs. */
export function leftOutThroughGateway(name: string): string | undefined {
  return Object.entries(CASES).find(([start]) => name.startsWith(start))?.[1];
}

function all(reason: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((text) => text.split(" ")).map((name) => [name, reason]));
}

// Most unit tests and the simulation, `deno task test:fast`: those that start few other programs.
// Usage: deno run -A scripts/test/test_fast.ts

import { PLACES, unitJobs } from "./test.ts";
import { tell, tellCases, total } from "./test_outcome.ts";
import { runPool } from "./test_pool.ts";

const FOLDERS = ["base", "protocol", "governor", "config", "ipc", "worker", "server", "sim"];

const outcomes = [...(await runPool(unitJobs(FOLDERS), PLACES)).values()];
const sum = total(outcomes);
// Groups run beside each other, so the sum of their seconds says nothing.
tell("unit", { ...sum, seconds: performance.now() / 1000 });
tellCases(outcomes);
Deno.exit(sum.failed === 0 && sum.broken === undefined ? 0 : 1);

// Does: loads the files of unit tests that the arguments name into one module graph. Alone, each of them takes half a
// second of processor time to load, more than most of them take to run.
// Used by: scripts/test/test_units.ts. Invariant: their order is fixed, so a failure comes again.
for (const file of Deno.args) await import(`../../../${file}`);

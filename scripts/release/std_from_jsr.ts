// Switches deno.json's @std imports from npm's copy of the standard library to JSR, for publishing there: JSR can be
// reached where that happens, which is not so everywhere. Also lets the types that stand in for npm's copy go.
// Usage: deno run --allow-read --allow-write scripts/release/std_from_jsr.ts

const NPM_COPY = /^npm:deno-std@(\d+)\.[\d.]+\//;

/** deno.json's text with every @std import from JSR, in the same major version. */
export function fromJsr(text: string): string {
  const config: {
    imports: Record<string, string>;
    compilerOptions?: { types?: string[] };
  } = JSON.parse(text);
  for (const [name, target] of Object.entries(config.imports)) {
    const [, major] = NPM_COPY.exec(target) ?? [];
    if (major === undefined) continue;
    const [, part, rest = ""] = /^@std\/([^/]+)(\/.*)?$/.exec(name) ?? [];
    if (part === undefined) {
      throw new Error(`${name} comes from npm's copy of the standard library, but is not a @std name`);
    }
    config.imports[name] = `jsr:@std/${part}@${major}${rest}`;
  }
  const types = config.compilerOptions?.types?.filter((file) => file !== "./types/std.d.ts");
  if (types !== undefined && config.compilerOptions !== undefined) config.compilerOptions.types = types;
  return `${JSON.stringify(config, null, 2)}\n`;
}

if (import.meta.main) {
  const config = new URL("../../deno.json", import.meta.url);
  await Deno.writeTextFile(config, fromJsr(await Deno.readTextFile(config)));
  // It names npm's copy.
  await Deno.remove(new URL("../../deno.lock", import.meta.url));
}

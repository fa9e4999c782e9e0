// Prints what CHANGELOG.md says of a version, for its release. Fails when the tag, deno.json and the CHANGELOG do not
// name the same version, or the CHANGELOG gives no date for it.
// Usage: deno run --allow-read scripts/release/release_notes.ts vX.Y.Z

/** The words under that version's heading, `## X.Y.Z, YYYY-MM-DD`. */
export function notesOf(changelog: string, version: string): string {
  const [, ...sections] = changelog.split(/^## /m);
  const found = sections.find((section) => section.split(/[,\s]/, 1)[0] === version);
  if (found === undefined) throw new Error(`CHANGELOG.md has no heading "## ${version}, YYYY-MM-DD"`);
  const end = found.indexOf("\n");
  const heading = end < 0 ? found : found.slice(0, end);
  if (!/^[^,]+, \d{4}-\d{2}-\d{2}$/.test(heading)) {
    throw new Error(`CHANGELOG.md says "## ${heading}"; give the date: "## ${version}, YYYY-MM-DD"`);
  }
  const notes = found.slice(heading.length).trim();
  if (notes === "") throw new Error(`CHANGELOG.md says nothing of ${version}`);
  return `${notes}\n`;
}

/** The version that a tag names, which must be deno.json's. */
export function versionOf(tag: string, config: string): string {
  const { version }: { version?: string } = JSON.parse(config);
  if (tag !== `v${version}`) throw new Error(`the tag is ${tag}, but deno.json has version ${version}`);
  return tag.slice(1);
}

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  const read = (name: string): Promise<string> => Deno.readTextFile(new URL(name, root));
  try {
    const version = versionOf(Deno.args[0] ?? "", await read("deno.json"));
    console.log(notesOf(await read("CHANGELOG.md"), version).trimEnd());
  } catch (error) {
    console.error(`release: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

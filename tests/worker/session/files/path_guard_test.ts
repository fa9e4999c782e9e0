// The path guard on real folders: links, dots, names that do not exist, and roots that look alike.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { PathGuard } from "../../../../src/worker/session/files/path_guard.ts";
import { files } from "../../../../src/runtime/common.ts";

/** A folder of its own with `root`, `root-2` and `outside`, gone after the test. */
class Place implements AsyncDisposable {
  readonly top: string;
  readonly root: string;
  readonly guard: PathGuard;

  private constructor(top: string) {
    this.top = top;
    this.root = `${top}/root`;
    this.guard = new PathGuard(files, [this.root]);
  }

  static async make(): Promise<Place> {
    const place = new Place(await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-paths-" })));
    for (const folder of ["root/sub", "root-2", "outside/deep"]) {
      await Deno.mkdir(`${place.top}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${place.root}/file`, "x");
    await Deno.writeTextFile(`${place.top}/outside/file`, "x");
    return place;
  }

  link(target: string, name: string): Promise<void> {
    return Deno.symlink(target, `${this.root}/${name}`);
  }

  /** The canonical path or the code. */
  async ask(path: string, guard = this.guard): Promise<string> {
    const outcome = await guard.folder(this.root, path);
    return outcome.ok ? outcome.value : outcome.failure.code;
  }

  /** The same for a file to write. */
  async asOutput(path: string): Promise<string> {
    const outcome = await this.guard.output(this.root, path);
    return outcome.ok ? outcome.value : outcome.failure.code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.top, { recursive: true });
  }
}

Deno.test("paths: folders inside the roots are given in canonical form", async () => {
  await using place = await Place.make();
  const { root } = place;
  assertEquals(await place.ask("."), root);
  assertEquals(await place.ask(""), root);
  assertEquals(await place.ask("sub"), `${root}/sub`);
  assertEquals(await place.ask("./sub/../sub//"), `${root}/sub`);
  assertEquals(await place.ask(`${root}/sub`), `${root}/sub`);
  await place.link(`${root}/sub`, "alias");
  assertEquals(await place.ask("alias"), `${root}/sub`);
  assertEquals(await place.ask("sub/../../root/sub"), `${root}/sub`, "out and in again");
});

Deno.test("paths: dots that lead out are forbidden, whether what they name exists or not", async () => {
  await using place = await Place.make();
  for (
    const path of ["..", "../", "../outside", "sub/../../outside/deep", "../nope", "../../..", "/", "/etc"]
  ) {
    assertEquals(await place.ask(path), "path_forbidden", path);
  }
});

Deno.test("paths: a neighbour whose name begins like the root's is outside", async () => {
  await using place = await Place.make();
  assertEquals(await place.ask(`${place.root}-2`), "path_forbidden");
  assertEquals(await place.ask("../root-2"), "path_forbidden");
});

Deno.test("paths: a link that leads out is forbidden, and so is what lies below it", async () => {
  await using place = await Place.make();
  await place.link(`${place.top}/outside`, "out");
  await place.link("../outside/deep", "deep");
  await place.link("out", "chain");
  for (const path of ["out", "out/deep", "deep", "chain", "chain/deep", "out/file"]) {
    assertEquals(await place.ask(path), "path_forbidden", path);
  }
});

Deno.test("paths: what does not exist below an escaping link is forbidden, not missing", async () => {
  await using place = await Place.make();
  await place.link(`${place.top}/outside`, "out");
  for (const path of ["out/nope", "out/nope/deeper/still", "out/deep/nope"]) {
    assertEquals(await place.ask(path), "path_forbidden", path);
  }
});

Deno.test("paths: a path that does not exist inside is missing, a file is not a folder", async () => {
  await using place = await Place.make();
  for (const path of ["nope", "sub/nope/deeper", "file", "file/below", "~", "~/x"]) {
    assertEquals(await place.ask(path), "path_not_found", path);
  }
  const outcome = await place.guard.folder(place.root, "nope");
  assertStringIncludes(outcome.ok ? "" : outcome.failure.message, `${place.root}/nope`);
});

Deno.test("paths: a link to nothing is missing", async () => {
  await using place = await Place.make();
  await place.link(`${place.root}/nowhere`, "dangling");
  assertEquals(await place.ask("dangling"), "path_not_found");
});

Deno.test("paths: a link to nothing outside is forbidden, for reading and for writing", async () => {
  await using place = await Place.make();
  await place.link(`${place.top}/outside/new`, "escape");
  await place.link("escape", "chain");
  await place.link("../outside/deep/new", "relative");
  for (const path of ["escape", "chain", "relative", "escape/below"]) {
    assertEquals(await place.ask(path), "path_forbidden", path);
    assertEquals(await place.asOutput(path), "path_forbidden", path);
  }
});

Deno.test("paths: a relative link to nothing counts from where it lies, not from how one came there", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.root}/p/outside`, { recursive: true });
  await Deno.mkdir(`${place.root}/p/q`);
  await Deno.symlink(`${place.root}/sub`, `${place.root}/p/q/alias`);
  await place.link("../../outside/new", "sub/leads-out");
  assertEquals(await place.asOutput("sub/leads-out"), "path_forbidden");
  assertEquals(await place.asOutput("p/q/alias/leads-out"), "path_forbidden");
});

Deno.test("paths: a file must be a regular one inside the roots", async () => {
  await using place = await Place.make();
  const ask = async (path: string): Promise<string> => {
    const outcome = await place.guard.file(place.root, path);
    return outcome.ok ? outcome.value : outcome.failure.code;
  };
  await place.link("file", "alias");
  await place.link("/dev/null", "null");
  for (const path of ["file", "./sub/../file", "alias"]) assertEquals(await ask(path), `${place.root}/file`);
  for (const path of ["sub", ".", "nope", "file/x", "~"]) assertEquals(await ask(path), "path_not_found");
  for (const path of ["null", "../outside/file", "/etc/passwd", "../outside/nope", "file\0"]) {
    assertEquals(await ask(path), "path_forbidden", path);
  }
  const device = await new PathGuard(files, ["/"]).file(place.root, "/dev/null");
  assertEquals(device.ok ? "taken" : device.failure.code, "path_forbidden", "a device is not a file");
});

Deno.test("paths: an output may be new or replace a file, in a folder that exists", async () => {
  await using place = await Place.make();
  await place.link("sub", "alias");
  assertEquals(await place.asOutput("new.html"), `${place.root}/new.html`);
  assertEquals(await place.asOutput("file"), `${place.root}/file`);
  assertEquals(await place.asOutput("alias/new"), `${place.root}/sub/new`);
  for (const path of ["nope/new", "file/new"]) {
    assertEquals(await place.asOutput(path), "path_not_found", path);
  }
  for (const path of ["sub", ".", "../outside/new", "../new", "/etc/x", "a\0"]) {
    assertEquals(await place.asOutput(path), "path_forbidden", path);
  }
});

Deno.test("paths: a link that leads to itself is a refusal and no exception", async () => {
  await using place = await Place.make();
  await place.link("loop", "loop");
  assertEquals(await place.ask("loop"), "path_not_found");
});

Deno.test("paths: a name that is too long for the file system is a refusal and no exception", async () => {
  await using place = await Place.make();
  assertEquals(await place.ask("x".repeat(300)), "path_not_found");
});

Deno.test("paths: NUL is forbidden before anything is looked at", async () => {
  await using place = await Place.make();
  for (const path of ["\0", "sub\0", "\0/etc", `${place.root}\0`]) {
    assertEquals(await place.ask(path), "path_forbidden", JSON.stringify(path));
  }
});

Deno.test("paths: the root of the file system as a root allows every path", async () => {
  await using place = await Place.make();
  const all = new PathGuard(files, ["/"]);
  assertEquals(await place.ask("/", all), "/");
  assertEquals(await place.ask("../outside", all), `${place.top}/outside`);
  assertEquals(await place.ask("/nope-really-not", all), "path_not_found");
});

Deno.test("paths: a root may be a link, have a slash behind it, or not exist yet", async () => {
  await using place = await Place.make();
  await Deno.symlink(place.root, `${place.top}/entry`);
  const linked = new PathGuard(files, [`${place.top}/entry`]);
  assertEquals(await place.ask("sub", linked), `${place.root}/sub`);
  assertEquals(await place.ask(`${place.top}/entry/sub`, linked), `${place.root}/sub`);
  assertEquals(await place.ask("sub", new PathGuard(files, [`${place.root}/`])), `${place.root}/sub`);
  const later = new PathGuard(files, [`${place.top}/later`]);
  assertEquals(await place.ask("sub", later), "path_forbidden");
  await Deno.mkdir(`${place.top}/later`);
  assertEquals(await place.ask("../later", later), `${place.top}/later`);
});

Deno.test("paths: a path may be in any of several roots, and without a root every path is refused", async () => {
  await using place = await Place.make();
  const two = new PathGuard(files, [`${place.top}/outside`, place.root]);
  assertEquals(await place.ask("../outside/deep", two), `${place.top}/outside/deep`);
  assertEquals(await place.ask("sub", two), `${place.root}/sub`);
  assertEquals(await place.ask(".", new PathGuard(files, [])), "path_forbidden");
});

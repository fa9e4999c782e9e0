// npm's answer about its global folder: asked once for all package managers, again after a minute, anew for another
// command, and never kept where it fails.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { errorMessage } from "../../../../src/base/error_message.ts";
import { shareNpmFolder } from "../../../../src/worker/pi/modules/npm_folder.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";

/** A class like pi's, which asks a command for each instance. */
function managers(ask: (command: string) => string) {
  return class {
    readonly command: string;
    constructor(command = "npm") {
      this.command = command;
    }
    getNpmCommand(): { command: string; args: string[] } {
      return { command: this.command, args: [] };
    }
    getGlobalNpmRoot(): string {
      return ask(this.command);
    }
  };
}

Deno.test("npm's folder: it is asked once for all managers, and again after a minute", async () => {
  const asked: string[] = [];
  const Manager = managers((command) => `/${command}/${asked.push(command)}`);
  const clock = new FakeClock();
  shareNpmFolder(Manager.prototype, clock);
  const folders = (): string[] => [new Manager(), new Manager()].map((one) => one.getGlobalNpmRoot());
  assertEquals(folders(), ["/npm/1", "/npm/1"]);
  await clock.advance(59_000);
  assertEquals(folders(), ["/npm/1", "/npm/1"]);
  await clock.advance(1_000);
  assertEquals(folders(), ["/npm/2", "/npm/2"]);
  assertEquals(new Manager("pnpm").getGlobalNpmRoot(), "/pnpm/3");
});

Deno.test("npm's folder: a failure is thrown each time, and the next success counts", () => {
  let works = false;
  const Manager = managers(() => {
    if (!works) throw new Error("no npm");
    return "/npm";
  });
  shareNpmFolder(Manager.prototype, new FakeClock());
  for (const _ of [1, 2]) {
    const error = assertThrows(() => new Manager().getGlobalNpmRoot());
    assertEquals(errorMessage(error), "no npm");
  }
  works = true;
  assertEquals(new Manager().getGlobalNpmRoot(), "/npm");
});

Deno.test("npm's folder: a class that works otherwise is refused", () => {
  const error = assertThrows(() => shareNpmFolder({}, new FakeClock()));
  assertStringIncludes(errorMessage(error), "in another way");
});

// One rule for pi's folders: the table holds every form that the variables can have.
import { assertEquals } from "@std/assert";
import { agentFolder, namedSessionFolder } from "../../src/base/pi_folders.ts";

/** A machine with that value in every variable. */
const machine = (value: string | undefined) => ({
  env: () => value,
  home: () => "/home/ada",
  absolute: (path: string) => path.startsWith("/") ? path : `/here/${path}`,
});

Deno.test("pi's folders: unset, empty, absolute, relative, and below the home", () => {
  const rows: [string | undefined, string, string | undefined][] = [
    [undefined, "/home/ada/.pi/agent", undefined],
    ["", "/home/ada/.pi/agent", undefined],
    ["/srv/pi", "/srv/pi", "/srv/pi"],
    ["some/pi", "/here/some/pi", "/here/some/pi"],
    ["~", "/home/ada", "/home/ada"],
    ["~/pi", "/home/ada/pi", "/home/ada/pi"],
    ["~bob/pi", "/here/~bob/pi", "/here/~bob/pi"],
    ["/srv/~/pi", "/srv/~/pi", "/srv/~/pi"],
  ];
  for (const [value, agent, sessions] of rows) {
    assertEquals(agentFolder(machine(value)), agent, value);
    assertEquals(namedSessionFolder(machine(value)), sessions, value);
  }
});

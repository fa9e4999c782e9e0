// What a token allows, from the server's own refusals; the token's way out of the address; the pages' addresses.
import { assertEquals } from "@std/assert";
import { may, roleInRefusal, ROLES } from "../../../src/console/app/access.ts";
import { routeOf, sessionHref } from "../../../src/console/app/routes.ts";
import { readFragment } from "../../../src/console/app/token.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { forbidden } from "../../../src/server/auth/authorization.ts";

Deno.test("the server's refusal names the role of the token", () => {
  const command = { type: "list_tokens" } as const;
  for (const role of ["observe", "answer", "drive"] as const) {
    const refusal = forbidden({ id: "t", role }, command, specOf("list_tokens"));
    assertEquals(roleInRefusal(refusal?.message ?? ""), role);
  }
  const scoped = forbidden(
    { id: "t", role: "admin", sessions: new Set(["a"]) },
    command,
    specOf("list_tokens"),
  );
  assertEquals(scoped?.code, "forbidden");
  assertEquals(roleInRefusal(scoped?.message ?? ""), undefined);
});

Deno.test("a role covers itself and those before it", () => {
  for (const [at, held] of ROLES.entries()) {
    for (const [needed, role] of ROLES.entries()) {
      assertEquals(may({ role: held, whole: true }, role), at >= needed);
    }
  }
});

Deno.test("a token comes out of the fragment with the page to open, and out of nothing else", () => {
  assertEquals(readFragment("#token=abc"), { token: "abc", to: "" });
  assertEquals(readFragment("#token=abc&to=%2Fsession%2Fa"), { token: "abc", to: "#/session/a" });
  assertEquals(readFragment("#token=abc&to=https://evil.example"), { token: "abc", to: "" });
  for (const hash of ["", "#", "#/session/a", "#token=", "#/?token=abc"]) {
    assertEquals(readFragment(hash), undefined);
  }
});

Deno.test("every address leads to a page", () => {
  assertEquals(routeOf(""), { page: "sessions" });
  assertEquals(routeOf("#/inbox"), { page: "inbox" });
  assertEquals(routeOf(sessionHref("a/b c")), { page: "session", sessionId: "a/b c" });
  assertEquals(routeOf("#/session/%"), { page: "sessions" });
  assertEquals(routeOf("#/session/"), { page: "sessions" });
});

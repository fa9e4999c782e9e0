// The counters: the last place is given, the next is refused, what is given back is free again, once.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Governor, isPermit, type Permit } from "../../src/governor/governor.ts";
import { withDefaults } from "../../src/governor/limits.ts";
import type { Failure } from "../../src/protocol/errors.ts";

const make = (): Governor =>
  new Governor(
    withDefaults({
      connections: 2,
      connectionsPerToken: 2,
      sessions: 2,
      inFlightPerConnection: 2,
      mailbox: 2,
    }),
  );

function permit(value: Permit | Failure | undefined): Permit {
  if (value === undefined || !isPermit(value)) throw new Error(`refused: ${JSON.stringify(value)}`);
  return value;
}

function refused(value: Permit | Failure): Failure {
  if (isPermit(value)) throw new Error("a permit was given beyond the limit");
  return value;
}

/** What is counted, how many there may be, and how to take one. A mailbox's one more is the one that runs. */
const KINDS: readonly [string, number, (governor: Governor) => Permit | Failure | undefined][] = [
  ["connection", 2, (governor) => governor.connection()],
  ["connectionOfToken", 2, (governor) => governor.connectionOfToken("t")],
  ["session", 2, (governor) => governor.session()],
  ["inFlight", 2, (governor) => governor.inFlight(1)],
  ["mailbox", 3, (governor) => governor.mailbox("a")],
];

for (const [kind, most, take] of KINDS) {
  Deno.test(`governor: ${kind} gives as many as the limit, and a place that was given back`, () => {
    const governor = make();
    const taken = (): boolean => {
      const value = take(governor);
      return value !== undefined && isPermit(value);
    };
    const first = permit(take(governor));
    for (let more = 1; more < most; more++) permit(take(governor));
    assertEquals([taken(), taken()], [false, false]);
    first.release();
    assertEquals([taken(), taken()], [true, false]);
  });

  Deno.test(`governor: releasing a ${kind} twice frees one place`, () => {
    const governor = make();
    const first = permit(take(governor));
    for (let more = 1; more < most; more++) permit(take(governor));
    first.release();
    first.release();
    permit(take(governor));
    const more = take(governor);
    assert(more === undefined || !isPermit(more), "the second release freed another's place");
  });
}

Deno.test("governor: connections and sessions are counted", () => {
  const governor = make();
  const [connection, session] = [permit(governor.connection()), permit(governor.session())];
  assertEquals([governor.connections, governor.sessions], [1, 1]);
  connection.release();
  session.release();
  session.release();
  assertEquals([governor.connections, governor.sessions], [0, 0]);
});

Deno.test("governor: keys do not share their places, whatever they are called", () => {
  const governor = make();
  for (const key of ["a", "__proto__", "constructor", "toString", ""]) {
    for (let count = 0; count < 3; count++) permit(governor.mailbox(key));
    refused(governor.mailbox(key));
  }
  permit(governor.inFlight(1));
  permit(governor.inFlight(1));
  permit(governor.inFlight(2));
});

Deno.test("governor: a full queue is overloaded, and says which limit and when to come back", () => {
  const governor = new Governor(withDefaults({ inFlightPerConnection: 1, mailbox: 1 }));
  permit(governor.inFlight(1));
  permit(governor.mailbox("a"));
  permit(governor.mailbox("a"));
  const cases = [[governor.inFlight(1), "inFlightPerConnection"], [
    governor.mailbox("a"),
    "mailbox",
  ]] as const;
  for (const [value, limit] of cases) {
    const { code, message, retryAfterMs, data } = refused(value);
    assertEquals([code, retryAfterMs, data], ["overloaded", 250, { limit }]);
    assertStringIncludes(message, `${limit}: 1`);
  }
});

Deno.test("governor: a full server is session_limit and names the flag", () => {
  const governor = new Governor(withDefaults({ sessions: 1 }));
  permit(governor.session());
  const { code, message, data } = refused(governor.session());
  assertEquals([code, data], ["session_limit", { limit: "sessions" }]);
  assertStringIncludes(message, "--max-sessions");
});

Deno.test("governor: a session's commands and all commands are counted, and both must have room", () => {
  const governor = new Governor(withDefaults({ commandsPerMinutePerSession: 2, commandsPerMinute: 5 }));
  const codes = (about: string | number | undefined, times: number) =>
    Array.from({ length: times }, () => governor.command(about, 0)?.data);
  const session = { limit: "commandsPerMinutePerSession" };
  assertEquals(codes("a", 3), [undefined, undefined, session]);
  assertEquals(codes("b", 3), [undefined, undefined, session]);
  // Nothing was counted for what was refused.
  assertEquals(codes(undefined, 2), [undefined, { limit: "commandsPerMinute" }]);
});

Deno.test("governor: a refusal says when, and a retry right then passes", () => {
  const governor = new Governor(withDefaults({ commandsPerMinutePerSession: 7, commandsPerMinute: 11 }));
  let now = 1000.25;
  for (let passed = 0; passed < 60;) {
    const refused = governor.command("a", now);
    if (refused === undefined) passed++;
    else {
      assertEquals(refused.code, "rate_limited");
      assertStringIncludes(refused.message, `${refused.retryAfterMs} ms`);
      now += refused.retryAfterMs ?? 0;
      assertEquals(governor.command("a", now), undefined);
      passed++;
    }
  }
});

Deno.test("governor: the answer names the longer of two waits", () => {
  const governor = new Governor(withDefaults({ commandsPerMinutePerSession: 10, commandsPerMinute: 1 }));
  assertEquals(governor.command("a", 0), undefined);
  assertEquals(governor.command("a", 0)?.retryAfterMs, 60_000);
  const other = new Governor(withDefaults({ commandsPerMinutePerSession: 1, commandsPerMinute: 10 }));
  assertEquals(other.command("a", 0), undefined);
  assertEquals(other.command("a", 0)?.retryAfterMs, 60_000);
});

Deno.test("governor: sessions that are not there charge the connection, each its own", () => {
  const governor = new Governor(withDefaults({ commandsPerMinutePerSession: 1 }));
  assertEquals([governor.command(1, 0), governor.command(2, 0)], [undefined, undefined]);
  assertEquals(governor.command(1, 0)?.code, "rate_limited");
  assertEquals(governor.command("a", 0), undefined, "a session's own rate is another matter");
  governor.connectionGone(1);
  assertEquals(governor.command(1, 0), undefined);
});

Deno.test("governor: invalid messages have a rate of their own", () => {
  const governor = new Governor(withDefaults({ invalidPerMinutePerConnection: 2, commandsPerMinute: 1 }));
  assertEquals([governor.invalid(1, 0), governor.invalid(1, 0)], [undefined, undefined]);
  const { code, retryAfterMs, data } = governor.invalid(1, 0) ?? {};
  assertEquals([code, retryAfterMs, data], ["rate_limited", 30_000, {
    limit: "invalidPerMinutePerConnection",
  }]);
  assertEquals(governor.invalid(2, 0), undefined);
  assertEquals(governor.invalid(1, 30_000), undefined);
  assertEquals(governor.command(undefined, 0), undefined, "they are not counted as commands");
});

Deno.test("governor: rates are gone with their session or connection", () => {
  const left = spyOnMaps(() => {
    const governor = make();
    governor.command("gone", 0);
    governor.command(9, 0);
    governor.invalid(9, 0);
    governor.sessionGone("gone");
    governor.connectionGone(9);
  });
  assertEquals(left, ["all"]);
});

Deno.test("governor: no entry is left of keys that gave everything back", () => {
  // A Map that never forgets would be seen here as places that stay taken, or as a count gone below zero.
  const governor = make();
  for (let round = 0; round < 3; round++) {
    const held = [1, 2, 3].map(() => permit(governor.mailbox("a")));
    refused(governor.mailbox("a"));
    for (const one of held.toReversed()) one.release();
  }
  const sets = spyOnMaps(() => {
    const fresh = make();
    const one = permit(fresh.mailbox("gone"));
    const two = permit(fresh.inFlight(9));
    one.release();
    two.release();
  });
  assertEquals(sets, []);
});

Deno.test("governor: a thousand sessions and connections that have ended leave no entry", () => {
  let governor = make();
  const counts = (): number[] => [governor.connections, governor.sessions, governor.parkedSessions];
  let full: number[] = [];
  const left = spyOnMaps(() => {
    governor = new Governor(
      withDefaults({ sessions: 1_000, connections: 1_000, commandsPerMinute: 1_000_000 }),
    );
    const held = Array.from({ length: 1_000 }, (_, index) => {
      const sessionId = `s-${index}`;
      const permits = [
        governor.connection(),
        governor.connectionOfToken(`t-${index}`),
        permit(governor.session()),
        permit(governor.mailbox(sessionId)),
      ];
      permits.push(permit(governor.inFlight(index)), permit(governor.parked()));
      governor.command(sessionId, index);
      governor.command(index, index);
      governor.invalid(index, index);
      return permits;
    });
    full = counts();
    held.forEach((permits, index) => {
      for (const one of permits) one?.release();
      governor.sessionGone(`s-${index}`);
      governor.connectionGone(index);
    });
  });
  assertEquals(left, ["all"], "the one bucket that all commands share");
  assertEquals([full, counts()], [[1_000, 1_000, 1_000], [0, 0, 0]]);
});

/** Keys that are still in some Map that was written to during `fn`. */
function spyOnMaps(fn: () => void): unknown[] {
  const original = Map.prototype.set;
  const written = new Set<Map<unknown, unknown>>();
  Map.prototype.set = function (key: unknown, value: unknown) {
    written.add(this);
    return original.call(this, key, value);
  };
  try {
    fn();
  } finally {
    Map.prototype.set = original;
  }
  return [...written].flatMap((map) => [...map.keys()]);
}

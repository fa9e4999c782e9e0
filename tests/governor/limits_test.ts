// The table of limits: defaults inside their ranges, and values that override exactly what they name.
import { assert, assertEquals } from "@std/assert";
import { LIMIT_NAMES, LIMITS, withDefaults } from "../../src/governor/limits.ts";

Deno.test("limits: the list of names is the table", () => {
  assertEquals([...LIMIT_NAMES].sort(), Object.keys(LIMITS).sort());
  assertEquals(Object.keys(withDefaults()).sort(), Object.keys(LIMITS).sort());
});

Deno.test("limits: every default is inside its own range", () => {
  for (const [name, { value, least, most }] of Object.entries(LIMITS)) {
    assert(Number.isSafeInteger(value) && least <= value && value <= most, name);
  }
});

Deno.test("limits: the defaults are those of the protocol", () => {
  const MIB = 1024 * 1024;
  assertEquals(withDefaults(), {
    frameBytes: 10 * MIB,
    sessions: 100,
    parkedSessions: 10_000,
    connections: 1000,
    connectionsPerToken: 32,
    commandsPerMinutePerSession: 100,
    commandsPerMinute: 1000,
    invalidPerMinutePerConnection: 300,
    inFlightPerConnection: 64,
    mailbox: 128,
    messageChars: 1_000_000,
    commandChars: 100_000,
    pathChars: 4096,
    pendingUiPerSession: 32,
    outboxSoftBytes: 512 * 1024,
    outboxHardBytes: 4 * MIB,
    outboxCloseBytes: 32 * MIB,
    eventLogBytes: 4 * MIB,
    eventLogTotalBytes: 256 * MIB,
    idempotencyKeys: 10_000,
    idempotencyBytes: 32 * 1024 * 1024,
    keptMessageBytes: 64 * 1024 * 1024,
    idleSessionMs: 30 * 60_000,
    hostSilentMs: 30_000,
    hostMemoryBytes: 2 * 1024 * 1024 * 1024,
    peerSilentMs: 60_000,
    turnStallMs: 60_000,
  });
});

Deno.test("limits: each can be overridden by itself, and none lands on another", () => {
  for (const name of LIMIT_NAMES) {
    assertEquals(withDefaults({ [name]: 7 }), { ...withDefaults(), [name]: 7 });
  }
});

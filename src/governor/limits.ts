// Does: holds every limit that an operator can set, with default, range, unit and reason (docs/PROTOCOL.md#limits). Pure.
// Used by: the governor, the flags (`--max-…`) and the variables (`PI_SERVER_MAX_…`).

const KIB = 1024;
const MIB = 1024 * KIB;

/** One limit. */
export interface LimitSpec {
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly unit: "bytes" | "count" | "chars" | "ms";
  readonly about: string;
  /** Name of the flag, unless it is `max-` and the name. */
  readonly flag?: string;
}

const TABLE = {
  frameBytes: {
    value: 10 * MIB,
    least: 1 * KIB,
    // Deno limits a frame to 64 MiB itself, and a message in several frames not at all.
    most: 64 * MIB,
    unit: "bytes",
    about: "largest inbound message",
  },
  sessions: { value: 100, least: 1, most: 100_000, unit: "count", about: "live sessions" },
  parkedSessions: {
    value: 10_000,
    least: 0,
    most: 1_000_000,
    unit: "count",
    about: "parked sessions, which are only on disk",
  },
  connections: { value: 1000, least: 1, most: 100_000, unit: "count", about: "WebSocket connections" },
  connectionsPerToken: {
    // Deno holds up to 64 MiB of an incomplete message, and JavaScript cannot see it.
    value: 32,
    least: 1,
    most: 100_000,
    unit: "count",
    about: "WebSocket connections of one minted token",
  },
  commandsPerMinutePerSession: {
    value: 100,
    least: 1,
    most: 10_000_000,
    unit: "count",
    about: "commands to one session in a minute",
  },
  commandsPerMinute: {
    value: 1000,
    least: 1,
    most: 10_000_000,
    unit: "count",
    about: "commands to the server in a minute",
  },
  invalidPerMinutePerConnection: {
    value: 300,
    least: 1,
    most: 10_000_000,
    unit: "count",
    about: "invalid messages of one connection in a minute",
  },
  inFlightPerConnection: {
    value: 64,
    least: 1,
    most: 1_000_000,
    unit: "count",
    about: "commands of one connection that wait for their answer",
  },
  mailbox: {
    value: 128,
    least: 1,
    most: 1_000_000,
    unit: "count",
    about: "commands that wait in one session",
  },
  messageChars: { value: 1_000_000, least: 1, most: 50_000_000, unit: "chars", about: "length of a prompt" },
  commandChars: {
    value: 100_000,
    least: 1,
    most: 10_000_000,
    unit: "chars",
    about: "length of a bash command",
  },
  pathChars: { value: 4096, least: 1, most: 65_536, unit: "chars", about: "length of a path" },
  pendingUiPerSession: {
    value: 32,
    least: 1,
    most: 10_000,
    unit: "count",
    about: "open dialogs of one session",
  },
  outboxSoftBytes: {
    value: 512 * KIB,
    least: 1 * KIB,
    most: 1024 * MIB,
    unit: "bytes",
    about: "queued output of one connection at which the server coalesces events",
    flag: "outbox-soft-bytes",
  },
  outboxHardBytes: {
    value: 4 * MIB,
    least: 4 * KIB,
    most: 1024 * MIB,
    unit: "bytes",
    about: "queued events of one connection at which it lags",
    flag: "outbox-hard-bytes",
  },
  outboxCloseBytes: {
    value: 32 * MIB,
    least: 64 * KIB,
    most: 1024 * MIB,
    unit: "bytes",
    about: "queued output of one connection at which the server closes it",
    flag: "outbox-close-bytes",
  },
  eventLogBytes: {
    value: 4 * MIB,
    least: 1 * KIB,
    most: 1024 * MIB,
    unit: "bytes",
    about: "events of one session that the server keeps for replays",
  },
  eventLogTotalBytes: {
    value: 256 * MIB,
    least: 64 * KIB,
    most: 64 * 1024 * MIB,
    unit: "bytes",
    about: "events of all sessions that the server keeps for replays",
  },
  idempotencyKeys: {
    value: 10_000,
    least: 1,
    most: 10_000_000,
    unit: "count",
    about: "idempotency keys of the last 24 hours",
  },
  idempotencyBytes: {
    value: 32 * MIB,
    least: 1 * KIB,
    most: 4096 * MIB,
    unit: "bytes",
    about: "responses that the server keeps for idempotency keys",
  },
  keptMessageBytes: {
    value: 64 * MIB,
    least: 1 * KIB,
    most: 4096 * MIB,
    unit: "bytes",
    about: "text of messages that run or were interrupted",
  },
  idleSessionMs: {
    value: 30 * 60_000,
    least: 1,
    // A timer can hold 24.8 days.
    most: 24 * 86_400_000,
    unit: "ms",
    about: "idle time after which the server parks a session without a subscriber",
    flag: "idle-session-ms",
  },
  hostSilentMs: {
    value: 30_000,
    least: 1_000,
    most: 3_600_000,
    unit: "ms",
    about: "silence after which the server replaces a worker",
    flag: "host-silent-ms",
  },
  hostMemoryBytes: {
    // Far above what sessions need (100 idle ones: some MiB), far below the heap at which V8 ends the process.
    value: 2048 * MIB,
    least: 64 * MIB,
    most: 1024 * 1024 * MIB,
    unit: "bytes",
    about: "memory at which the server replaces a worker",
  },
  peerSilentMs: {
    // Half of it is at least STALL_MS, so a peer that reads nothing is closed for that reason first.
    value: 60_000,
    least: 100,
    most: 3_600_000,
    unit: "ms",
    about: "silence after which the server drops a WebSocket peer",
    flag: "peer-silent-ms",
  },
  turnStallMs: {
    value: 60_000,
    least: 100,
    most: 24 * 86_400_000,
    unit: "ms",
    about: "silence of a run after which the server reports it as stalled",
    flag: "turn-stall-ms",
  },
} as const satisfies Record<string, LimitSpec>;

/** Names of the limits. */
export type LimitName = keyof typeof TABLE;

/** A value for each limit. */
export type Limits = Readonly<Record<LimitName, number>>;

/** All limits. */
export const LIMITS: Readonly<Record<LimitName, LimitSpec>> = TABLE;

/** Names of the limits, in the order of the table. */
export const LIMIT_NAMES: readonly LimitName[] = Object.keys(TABLE).filter(isLimitName);

/** The defaults, with `over` on top. */
export function withDefaults(over: Partial<Limits> = {}): Limits {
  const values = LIMIT_NAMES.map((name) => [name, over[name] ?? TABLE[name].value]);
  // Every name of the table has its value now.
  return Object.fromEntries(values) as Limits;
}

/** Milliseconds after which a retry makes sense when a queue was full. */
export const RETRY_AFTER_MS: number = 250;

/** Bytes of commands that a stdio connection reads ahead while it waits for room, to find an `abort`. */
export const READ_AHEAD_BYTES: number = 10 * MIB;

/** Bytes that a socket gets at a time. The rest stays in the outbox, where it can be freed. */
export const SOCKET_WINDOW_BYTES: number = 64 * KIB;

/** Answers in the queue of a WebSocket peer at which its commands wait. */
export const ANSWERS_AHEAD: number = 16_384;

/** The most bytes of JSON of a session's history in one answer. */
export const ANSWER_BYTES: number = 8 * MIB;

/** Bytes of an answer beside its history: the envelope, cursors and a sentence. */
export const ANSWER_HEAD_BYTES: number = 4 * KIB;

/** UTF-16 units of a text that a client with `refs` gets in place, and the least to which an item may shorten that. */
export const BLOCK_CHARS: number = 64 * KIB;
export const LEAST_BLOCK_CHARS: number = 512;

/**
 * UTF-16 units of shell output in one event. No history holds them, so an event must stay short enough that a
 * client with `refs` gets it whole.
 */
export const SHELL_CHUNK_CHARS: number = 16 * KIB;

/** The most bytes of an event for a client with `refs`. */
export const REF_EVENT_BYTES: number = 512 * KIB;

/** The most bytes of a line of a session file that is read without pi. Of a longer one, only its place is known. */
export const STORED_LINE_BYTES: number = 16 * MIB;

/** Bytes of a content that one `get_content` returns by default. */
export const CONTENT_BYTES: number = 512 * KIB;

/** The most bytes of one session's snapshot, and of all snapshots in one answer. */
export const SNAPSHOT_BYTES: number = 4 * MIB;
export const SNAPSHOTS_BYTES: number = 8 * MIB;

/** Large answers of one connection that may be under way. Further commands for large answers wait. */
export const BULK_AHEAD: number = 2;

/** The most UTF-16 units of a history for a web page. pi holds the page several times. */
export const EXPORT_UNITS: number = 32 * MIB;

/** Bytes that a worker posts at a time, and bytes that it may post ahead of the server thread. */
export const CROSSING_BATCH_BYTES: number = 64 * KIB;
export const CROSSING_WINDOW_BYTES: number = 256 * KIB;

/** Milliseconds in which a peer must read something while output waits. */
export const STALL_MS: number = 30_000;

/** Milliseconds between two cursors of a filtered subscription. */
export const CURSOR_MS: number = 10_000;

/** Sessions that one worker builds at the same time. */
export const BUILDS_AT_ONCE: number = 4;

/** Milliseconds that disposing one session may take. */
export const DISPOSE_MS: number = 5_000;

/** The most bytes of a file that pi reads by itself: instructions, settings, a skill, a prompt, a theme. */
export const RESOURCE_BYTES: number = 1024 * 1024;

/** The most bytes of an extension's file, which may be a bundle. */
export const EXTENSION_BYTES: number = 16 * 1024 * 1024;

/** Milliseconds that `session_start` handlers of extensions may delay a session's mailbox. */
export const SESSION_START_MS: number = 30_000;

/** Milliseconds that a timed-out bash or compaction may still hold its mailbox after it was stopped. */
export const COMMAND_GRACE_MS: number = 5_000;

/** Milliseconds of a worker's silence that count as an issue of `health_check`. */
export const WORKER_SLOW_MS: number = 5_000;

/** Milliseconds for the load of pi after which it counts as an issue of `health_check`. It takes about a second. */
export const LOADING_MS: number = 10_000;

/** Delay of the server thread in milliseconds that counts as an issue of `health_check`. */
export const LOOP_SLOW_MS: number = 1_000;

/** Milliseconds after a SIGINT before a second one means "now". */
export const IMPATIENT_MS: number = 1_000;

/** The most minted tokens that are neither revoked nor expired. */
export const MINTED_TOKENS: number = 1_000;

/** Whether a text is the name of a limit. */
export function isLimitName(name: unknown): name is LimitName {
  return typeof name === "string" && Object.hasOwn(TABLE, name);
}

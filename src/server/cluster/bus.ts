// Does: describes what the cluster needs of NATS: subjects, and one bucket of entries. Types only.
// Used by: every file of this folder. nats_bus.ts implements it.

/** Why a node cannot join its cluster: a sentence with the next step. */
export class ClusterError extends Error {
  override name = "ClusterError";
}

/** An entry of the bucket. */
export interface BusEntry {
  readonly value: string;
  readonly revision: number;
  /** When NATS has stored it, by its own clock: milliseconds since the epoch. */
  readonly storedAt: number;
}

/** What a watch reports. */
export interface BusWatch {
  /** An entry is new or has changed. Without a value it was removed. */
  changed(key: string, value: string | undefined): void;
  /** All entries of this moment were reported; these are their keys. Called again after each loss of NATS. */
  synced(keys: ReadonlySet<string>): void;
}

/** The connection to NATS. A call that needs NATS throws while NATS is unreachable. */
export interface Bus {
  /** Whether NATS is reachable now. */
  readonly connected: boolean;
  /** Whether the connection is encrypted, or stays on this machine. */
  readonly confidential: boolean;
  /** The most bytes of one message. */
  readonly messageBytes: number;
  /** Called when NATS is lost, and when it is back. Messages of the meantime are lost. */
  onConnection: (connected: boolean) => void;
  /** Publishes, or does nothing while NATS is unreachable. */
  publish(subject: string, data: Uint8Array | string): void;
  subscribe(subject: string, each: (data: Uint8Array, subject: string) => void): void;
  /** The time by NATS's own clock, in milliseconds since the epoch. */
  clock(): Promise<number>;
  /** Answers everything on a subject with nothing, to show that this node lives. */
  answer(subject: string): void;
  /** Whether a node answers on that subject. */
  ask(subject: string): Promise<boolean>;
  /** Stores an entry that must not exist. Returns its revision, or undefined when it exists. */
  create(key: string, value: string): Promise<number | undefined>;
  /** Replaces exactly that revision. Returns the new one, or undefined when the entry has another one. */
  update(key: string, value: string, revision: number): Promise<number | undefined>;
  /** Stores an entry, whatever was there. */
  put(key: string, value: string): Promise<void>;
  get(key: string): Promise<BusEntry | undefined>;
  /** Removes an entry, or exactly that revision of it. False when the entry has another one. */
  remove(key: string, revision?: number): Promise<boolean>;
  /** Drops the marks that entries have left which were removed before that time. Returns how many. */
  dropMarks(before: number): Promise<number>;
  /** Stores a value that is forgotten after a day. Returns it, or the value that another node had stored. */
  remember(key: string, value: string): Promise<string>;
  /** What `remember` has stored. */
  recall(key: string): Promise<string | undefined>;
  /** Watches all entries. */
  watch(watch: BusWatch): Promise<void>;
  close(): Promise<void>;
}

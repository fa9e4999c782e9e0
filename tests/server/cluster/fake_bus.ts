// A bucket in memory that several nodes share, each over a connection that can be cut. Subjects carry nothing.

import type { Bus, BusEntry } from "../../../src/server/cluster/bus.ts";

interface Stored {
  readonly value: string;
  readonly revision: number;
}

/** The bucket. */
export class FakeBucket {
  readonly entries = new Map<string, Stored>();
  /** Reads wait for it. */
  answers: Promise<void> = Promise.resolve();
  readonly #watchers = new Set<(key: string, value: string | undefined) => void>();
  #revision = 0;

  /** A node's connection. */
  connect(changed: (key: string, value: string | undefined) => void = () => {}): FakeBus {
    this.#watchers.add(changed);
    return new FakeBus(this);
  }

  set(key: string, value: string | undefined): number {
    const revision = ++this.#revision;
    if (value === undefined) this.entries.delete(key);
    else this.entries.set(key, { value, revision });
    for (const watcher of this.#watchers) watcher(key, value);
    return revision;
  }
}

/** One connection. */
export class FakeBus implements Bus {
  readonly #bucket: FakeBucket;
  connected = true;
  readonly confidential = true;
  readonly messageBytes = 1_000;
  onConnection: (connected: boolean) => void = () => {};
  /** Called before each change of an entry. */
  before: (key: string) => void | Promise<void> = () => {};

  constructor(bucket: FakeBucket) {
    this.#bucket = bucket;
  }

  publish(_subject: string, _data: Uint8Array | string): void {}
  subscribe(_subject: string, _each: (data: Uint8Array, subject: string) => void): void {}
  answer(): void {}

  async create(key: string, value: string): Promise<number | undefined> {
    await this.#change(key);
    return this.#bucket.entries.has(key) ? undefined : this.#bucket.set(key, value);
  }

  async update(key: string, value: string, revision: number): Promise<number | undefined> {
    await this.#change(key);
    return this.#bucket.entries.get(key)?.revision === revision ? this.#bucket.set(key, value) : undefined;
  }

  async put(key: string, value: string): Promise<void> {
    await this.#change(key);
    this.#bucket.set(key, value);
  }

  async get(key: string): Promise<BusEntry | undefined> {
    await this.#reach();
    await this.#bucket.answers;
    const found = this.#bucket.entries.get(key);
    return found === undefined ? undefined : { ...found, storedAt: 0 };
  }

  async remove(key: string, revision?: number): Promise<boolean> {
    await this.#change(key);
    const found = this.#bucket.entries.get(key);
    if (revision !== undefined && found?.revision !== revision) return false;
    this.#bucket.set(key, undefined);
    return true;
  }

  clock = (): Promise<number> => Promise.resolve(0);
  ask = (): Promise<boolean> => Promise.resolve(false);
  dropMarks = (): Promise<number> => Promise.resolve(0);
  remember = (_: string, value: string): Promise<string> => Promise.resolve(value);
  recall = (): Promise<string | undefined> => Promise.resolve(undefined);
  watch = (): Promise<void> => Promise.resolve();
  close = (): Promise<void> => Promise.resolve();

  async #change(key: string): Promise<void> {
    await this.#reach();
    await this.before(key);
    await this.#reach();
  }

  async #reach(): Promise<void> {
    await Promise.resolve();
    if (!this.connected) throw new Error("NATS is unreachable");
  }
}

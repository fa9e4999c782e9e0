// Order inside one session (docs/PROTOCOL.md#what-waits-for-what): mailbox jobs run one at a time as they came; jobs of the lane
// `after` run beside it, but behind earlier quick jobs of their own connection, and start before the mailbox goes
// on: a read between two changes sees the first and not the second. Runs jobs, knows no command.

/** A job as the mailbox sees it. */
export interface MailboxJob {
  readonly connection: number;
  /** A job that may take long by its nature (`bash`): nothing in the lane `after` waits for it. */
  readonly slow: boolean;
  /** Runs it; what it returns resolves when the next one may start, nothing when that is now. Never rejects. */
  run(): Promise<void> | undefined;
}

/** A job, and what is to be done, in this order and in the same tick, when it is over. */
interface Entry {
  readonly job: MailboxJob;
  readonly then: (() => void)[];
}

function entryOf(job: MailboxJob): Entry {
  return { job, then: [] };
}

function finish(entry: Entry): void {
  for (const fn of entry.then.splice(0)) fn();
}

/** The jobs of one session. */
export class Mailbox {
  readonly #queue: Entry[] = [];
  readonly #beside = new Set<Entry>();
  #running: Entry | undefined;
  #gate: "shut" | "open" | "closed" = "shut";

  /** Jobs that wait or run. */
  get size(): number {
    return this.#queue.length + this.#beside.size + (this.#running === undefined ? 0 : 1);
  }

  /** Lets mailbox jobs start; until then they wait. */
  open(): void {
    if (this.#gate === "shut") this.#gate = "open";
    this.#next();
  }

  /** Drops what waits; what runs is left to whoever runs it. */
  close(): void {
    this.#gate = "closed";
    const dropped = this.#queue.splice(0);
    // Whoever closes has his own affairs to end before anything starts.
    queueMicrotask(() => dropped.forEach(finish));
  }

  /** Appends a job. */
  push(job: MailboxJob): void {
    this.#queue.push(entryOf(job));
    this.#next();
  }

  /** Runs a job of the lane `after`, at once if nothing is in its way. */
  pushAfter(job: MailboxJob): void {
    const entry = entryOf(job);
    const ahead = this.#ahead(job.connection);
    // Most reads have nothing ahead of them and are done at once.
    if (ahead.length === 0) return this.#startBeside(entry);
    this.#beside.add(entry);
    let left = ahead.length;
    for (const each of ahead) each.then.push(() => --left === 0 && this.#startBeside(entry));
  }

  #startBeside(entry: Entry): void {
    const over = (): void => {
      this.#beside.delete(entry);
      finish(entry);
    };
    const work = entry.job.run();
    if (work === undefined) return over();
    this.#beside.add(entry);
    void work.then(over);
  }

  /** What a job of that connection has to wait for: never a slow job, nor what is stuck behind one. */
  #ahead(connection: number): Entry[] {
    const found: Entry[] = [];
    const inOrder = this.#running === undefined ? this.#queue : [this.#running, ...this.#queue];
    for (const entry of inOrder) {
      if (entry.job.slow) break;
      if (entry.job.connection === connection) found.push(entry);
    }
    for (const entry of this.#beside) if (entry.job.connection === connection) found.push(entry);
    return found;
  }

  #next(): void {
    while (this.#gate === "open" && this.#running === undefined) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      this.#running = entry;
      const work = entry.job.run();
      const over = (): void => {
        this.#running = undefined;
        finish(entry);
      };
      if (work === undefined) over();
      else {
        void work.then(() => {
          over();
          this.#next();
        });
      }
    }
  }
}

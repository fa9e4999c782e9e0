// Order inside one session (PROTOCOL §3): mailbox jobs run one at a time as they came; jobs of the lane
// `after` run beside it, but behind earlier quick jobs of their own connection. Runs jobs, knows no command.

/** A job as the mailbox sees it. */
export interface MailboxJob {
  readonly connection: number;
  /** A job that may take long by its nature (`bash`): nothing in the lane `after` waits for it. */
  readonly slow: boolean;
  /** Runs it; what it returns resolves when the next one may start, nothing when that is now. Never rejects. */
  run(): Promise<void> | undefined;
}

interface Entry {
  readonly job: MailboxJob;
  readonly done: Promise<void>;
  readonly finish: () => void;
}

function entryOf(job: MailboxJob): Entry {
  let finish: () => void = () => {};
  const done = new Promise<void>((resolve) => finish = resolve);
  return { job, done, finish };
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
    for (const entry of this.#queue.splice(0)) entry.finish();
  }

  /** Appends a job. */
  push(job: MailboxJob): void {
    this.#queue.push(entryOf(job));
    this.#next();
  }

  /** Runs a job of the lane `after`, at once if nothing is in its way. */
  pushAfter(job: MailboxJob): void {
    const ahead = this.#ahead(job.connection);
    // Most reads have nothing ahead of them and are done at once.
    const work = ahead.length === 0 ? job.run() : Promise.all(ahead).then(() => job.run());
    if (work === undefined) return;
    const entry = entryOf(job);
    this.#beside.add(entry);
    void work.then(() => {
      this.#beside.delete(entry);
      entry.finish();
    });
  }

  /** What a job of that connection has to wait for: never a slow job, nor what is stuck behind one. */
  #ahead(connection: number): Promise<void>[] {
    const found: Promise<void>[] = [];
    const inOrder = this.#running === undefined ? this.#queue : [this.#running, ...this.#queue];
    for (const { job, done } of inOrder) {
      if (job.slow) break;
      if (job.connection === connection) found.push(done);
    }
    for (const { job, done } of this.#beside) if (job.connection === connection) found.push(done);
    return found;
  }

  #next(): void {
    while (this.#gate === "open" && this.#running === undefined) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      this.#running = entry;
      const work = entry.job.run();
      const finish = (): void => {
        this.#running = undefined;
        entry.finish();
      };
      if (work === undefined) finish();
      else {
        void work.then(() => {
          finish();
          this.#next();
        });
      }
    }
  }
}

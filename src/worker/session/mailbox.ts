// Does: orders the commands of one session (docs/PROTOCOL.md#what-waits-for-what). It knows no command.
// Used by: session.ts. Jobs of the lane `after` run beside the mailbox, behind earlier quick jobs of their connection.
// Invariant: mailbox jobs run one at a time. A read between two changes sees the first and not the second.

export interface MailboxJob {
  readonly connection: number;
  /** A job that may take long (`bash`). Jobs of the lane `after` do not wait for it. */
  readonly slow: boolean;
  /** Runs the job. The promise resolves when the next job may start; undefined means now. Never rejects. */
  run(): Promise<void> | undefined;
}

/** A job, and the steps after its end, in this order and in the same tick. */
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

  /** The number of jobs that wait or run. */
  get size(): number {
    return this.#queue.length + this.#beside.size + (this.#running === undefined ? 0 : 1);
  }

  /** Starts the mailbox jobs. They wait until then. */
  open(): void {
    if (this.#gate === "shut") this.#gate = "open";
    this.#next();
  }

  /** Drops waiting jobs. A running job is left to its owner. */
  close(): void {
    this.#gate = "closed";
    const dropped = this.#queue.splice(0);
    // A microtask later, so that the caller finishes closing first.
    queueMicrotask(() => dropped.forEach(finish));
  }

  /** Appends a job. */
  push(job: MailboxJob): void {
    this.#queue.push(entryOf(job));
    this.#next();
  }

  /** Runs a job of the lane `after`, at once if no job is ahead. */
  pushAfter(job: MailboxJob): void {
    const entry = entryOf(job);
    const ahead = this.#ahead(job.connection);
    // Most reads have no job ahead, and end at once.
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

  /** The jobs that a job of that connection waits for: never a slow job, nor a job behind one. */
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

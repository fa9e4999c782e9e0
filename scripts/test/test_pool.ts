// Does: runs jobs beside each other: the first that may start, whenever a place is free. A job may take several places,
// and keep out the jobs with its key.
// Used by: test.ts. Invariant: each job runs once, unless another ended all before it.

/** Something to run. */
export interface Job<T> {
  readonly name: string;
  readonly run: () => Promise<T>;
  /** How many places it takes; one unless it says more. It never waits for more places than there are. */
  readonly places?: number;
  /** Jobs with the same key never run at the same time. */
  readonly key?: string;
  /** Whether no other job is to start after this result. */
  readonly endsAll?: (result: T) => boolean;
}

/** Runs all jobs, unless one ends all; the results by name. A job that throws makes this throw. */
export async function runPool<T>(jobs: readonly Job<T>[], places: number): Promise<ReadonlyMap<string, T>> {
  const waiting = [...jobs];
  const running = new Map<string, { job: Job<T>; end: Promise<void> }>();
  const results = new Map<string, T>();
  let ended = false;
  const placesOf = (job: Job<T>): number => Math.min(job.places ?? 1, places);
  const free = (): number => [...running.values()].reduce((left, { job }) => left - placesOf(job), places);
  const mayStart = (job: Job<T>): boolean =>
    placesOf(job) <= free() &&
    (job.key === undefined || [...running.values()].every((other) => other.job.key !== job.key));
  const start = (job: Job<T>): void => {
    const end = job.run().then((result) => {
      results.set(job.name, result);
      running.delete(job.name);
      ended ||= job.endsAll?.(result) ?? false;
    });
    running.set(job.name, { job, end });
  };
  while (true) {
    for (let at = waiting.findIndex(mayStart); at >= 0 && !ended; at = waiting.findIndex(mayStart)) {
      waiting.splice(at, 1).forEach(start);
    }
    if (running.size === 0) break;
    await Promise.race([...running.values()].map(({ end }) => end));
  }
  return results;
}

// One run of deltas to subscribers that count: how fast they came, and whether any of them is missing.

import type { Client } from "./client.ts";
import { type Order, prompt } from "./model_extension.ts";
import type { Reader } from "./readers.ts";
import { median } from "./report.ts";

/** What all readers of one run got. */
export interface Round {
  readonly perSecond: number;
  /** Of one reader. */
  readonly bytes: number;
}

/** Seconds from the first message of any reader to the last one. */
export function secondsOf(readers: readonly { firstAt: number; lastAt: number }[]): number {
  const first = Math.min(...readers.map(({ firstAt }) => firstAt));
  return (Math.max(...readers.map(({ lastAt }) => lastAt)) - first) / 1000;
}

/** Sends the prompt to the session `bench`, and waits until every reader has every delta, none of them merged. */
export async function delivered(control: Client, readers: readonly Reader[], order: Order): Promise<Round> {
  for (const reader of readers) reader.reset();
  await control.ok({ type: "prompt", sessionId: "bench", message: prompt(order) });
  await Promise.all(readers.map((reader) => reader.ended()));
  for (const { updates, merged } of readers) {
    if (updates >= order.deltas && merged === 0) continue;
    throw new Error(
      `a subscriber got ${updates} updates, ${merged} of them merged; ${order.deltas} were due`,
    );
  }
  const events = readers.reduce((sum, { updates }) => sum + updates, 0);
  return { perSecond: events / secondsOf(readers), bytes: median(readers.map(({ bytes }) => bytes)) };
}

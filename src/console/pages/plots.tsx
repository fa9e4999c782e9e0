// The server's counters over time, since this page is open.
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { bytes, count, duration, money } from "../text/format.ts";
import { Plot } from "../parts/plot.tsx";
import { rates } from "../state/metrics_log.ts";

/** All plots. */
export function Plots() {
  const samples = useCell(useConsole().metrics.samples);
  const times = samples.map(({ at }) => at);
  const of = (read: (metrics: typeof samples[number]["metrics"]) => number): readonly number[] =>
    samples.map(({ metrics }) => read(metrics));
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
  const perSecond = (value: number): string => `${count(value)}/s`;
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const span = times.length < 2 ? "" : duration((times.at(-1) ?? 0) - (times[0] ?? 0));
  const models = [...new Set(samples.flatMap(({ byModel }) => Object.keys(byModel)))].slice(0, 6);
  const sessions = [...new Set(samples.flatMap(({ bySession }) => Object.keys(bySession)))].slice(0, 6);
  return (
    <section class="group" aria-label="Over time">
      <h2>
        Over time <span class="count">{span}</span>
      </h2>
      <div class="plots">
        <Plot
          title="Sessions"
          times={times}
          format={count}
          series={[
            { label: "live", values: of((m) => m.sessions.live) },
            { label: "parked", values: of((m) => m.sessions.parked) },
            { label: "connections", values: of((m) => m.connections) },
          ]}
        />
        <Plot
          title="Events"
          times={times}
          format={perSecond}
          series={[{ label: "events", values: rates(samples, (m) => m.events) }]}
        />
        <Plot
          title="Traffic"
          times={times}
          format={(value) => `${bytes(value)}/s`}
          series={[
            { label: "out", values: rates(samples, (m) => m.bytesOut) },
            { label: "in", values: rates(samples, (m) => m.bytesIn) },
          ]}
        />
        <Plot
          title="Memory"
          times={times}
          format={bytes}
          series={[
            { label: "process", values: of((m) => m.memoryBytes?.process ?? 0) },
            { label: "server", values: of((m) => m.memoryBytes?.router ?? 0) },
            { label: "workers", values: of((m) => sum(m.memoryBytes?.hosts ?? [])) },
          ]}
        />
        <Plot
          title="Queues"
          times={times}
          format={bytes}
          series={[
            { label: "output", values: of((m) => m.outboxBytes) },
            { label: "journal", values: of((m) => m.journal.keyBytes + m.journal.messageBytes) },
          ]}
        />
        <Plot
          title="Event-loop delay"
          times={times}
          format={ms}
          series={[
            { label: "server", values: of((m) => m.loopDelayMs.router) },
            { label: "slowest worker", values: of((m) => Math.max(0, ...m.loopDelayMs.hosts)) },
          ]}
        />
        <Plot
          title="Tokens"
          times={times}
          format={count}
          series={[
            { label: "in", values: of((m) => m.tokens.input) },
            { label: "out", values: of((m) => m.tokens.output) },
            { label: "cached", values: of((m) => m.tokens.cacheRead) },
          ]}
        />
        <Plot
          title="Spend by model"
          times={times}
          format={money}
          series={models.length === 0
            ? [{ label: "all", values: of((m) => m.costUsd) }]
            : models.map((label) => ({ label, values: samples.map(({ byModel }) => byModel[label]) }))}
        />
        <Plot
          title="Spend by session"
          times={times}
          format={money}
          series={sessions.length === 0
            ? [{ label: "all", values: of((m) => m.costUsd) }]
            : sessions.map((label) => ({ label, values: samples.map(({ bySession }) => bySession[label]) }))}
        />
      </div>
    </section>
  );
}

// A small plot of values over time, drawn as lines. Pointer and arrow keys read single values; a screen reader hears
// the newest and the largest.
import { useState } from "preact/hooks";

/** One line of a plot. */
export interface Series {
  readonly label: string;
  readonly values: readonly (number | undefined)[];
}

interface Props {
  readonly title: string;
  /** Milliseconds since the epoch, one for each value. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
}

const WIDTH = 300;
const HEIGHT = 72;
const MOST_SERIES = 6;

/** The path of a line; a missing value breaks it. Pure. */
export function linePath(
  values: readonly (number | undefined)[],
  times: readonly number[],
  most: number,
): string {
  const [first = 0] = times;
  const span = Math.max(1, (times.at(-1) ?? 0) - first);
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === undefined) {
      pen = "M";
      return;
    }
    const x = ((times[index] ?? first) - first) / span * WIDTH;
    const y = HEIGHT - 1 - value / Math.max(most, Number.MIN_VALUE) * (HEIGHT - 4);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/** The largest value of all lines. */
function largest(series: readonly Series[]): number {
  let most = 0;
  for (const { values } of series) for (const value of values) most = Math.max(most, value ?? 0);
  return most;
}

/** A plot with its title, its newest values and its scale. */
export function Plot({ title, times, series, format }: Props) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const lines = series.slice(0, MOST_SERIES);
  const most = largest(lines);
  const last = times.length - 1;
  const index = Math.min(at ?? last, last);
  const valueOf = (one: Series): string => {
    const value = one.values[index] ?? (at === undefined ? one.values[index - 1] : undefined);
    return value === undefined ? "–" : format(value);
  };
  const summary = lines.map((one) => `${one.label} ${valueOf(one)}`).join(", ");
  const move = (event: PointerEvent): void => {
    if (!(event.currentTarget instanceof Element)) return;
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const [first = 0] = times;
    const time = first + (event.clientX - left) / Math.max(1, width) * ((times[last] ?? 0) - first);
    const found = times.findIndex((one) => one >= time);
    setAt(found < 0 ? last : found);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (step === 0) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(last, index + step)));
  };
  const [first = 0] = times;
  const x = times.length < 2
    ? 0
    : ((times[index] ?? first) - first) / Math.max(1, (times[last] ?? 0) - first) * WIDTH;
  return (
    <figure class="plot">
      <figcaption>
        <span class="plotname">{title}</span>
        <span class="plotmost">{most > 0 ? `most ${format(most)}` : ""}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${summary}; most ${format(most)}`}
        tabIndex={0}
        onPointerMove={move}
        onPointerLeave={() => setAt(undefined)}
        onKeyDown={onKey}
        onBlur={() => setAt(undefined)}
      >
        <path class="base" d={`M0 ${HEIGHT - 1}H${WIDTH}`} />
        {lines.map((one, line) => (
          <path key={one.label} class={`series s${line}`} d={linePath(one.values, times, most)} />
        ))}
        {at !== undefined && <path class="mark" d={`M${x.toFixed(1)} 0V${HEIGHT}`} />}
      </svg>
      <p class="plotnow">
        {lines.map((one, line) => (
          <span key={one.label} class={`key s${line}`}>
            {lines.length > 1 && <bdi>{one.label}</bdi>} <b>{valueOf(one)}</b>
          </span>
        ))}
        <span class="space" />
        <span class="hint">{at === undefined ? "" : new Date(times[index] ?? 0).toLocaleTimeString()}</span>
      </p>
    </figure>
  );
}

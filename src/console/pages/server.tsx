// The page about the server: whether it is well, what it uses of its limits, how that went over time, what was spent,
// and the tokens.
import { useEffect, useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { bytes, clip, count, duration, visible } from "../text/format.ts";
import { Plots } from "./plots.tsx";
import { Spend } from "./spend.tsx";
import { Tokens } from "./tokens.tsx";

/** The server's page. */
export function Server() {
  const console = useConsole();
  const { whole } = useCell(console.link.access);
  const admin = useMay("admin");
  useEffect(() => void console.metrics.look(), [console]);
  return (
    <div class="page">
      <header class="pagehead">
        <h1>Server</h1>
      </header>
      {whole
        ? <Health />
        : <p class="empty">This page's token is for some sessions; the server's state is about all</p>}
      {whole && <Use />}
      {whole && <Plots />}
      <Spend />
      {admin && whole && <Tokens />}
      <About />
    </div>
  );
}

function Health() {
  const console = useConsole();
  const health = useCell(console.metrics.health);
  const state = useCell(console.link.state);
  if (health === undefined) return <p class="health" role="status">Asks the server how it is</p>;
  return (
    <section class={`health ${health.healthy ? "well" : "ill"}`} aria-label="Health">
      <p role="status">
        <span class={`dot ${health.healthy ? "done" : "failed"}`} aria-hidden="true" />
        {state !== "connected"
          ? "There is no connection; this is the last that was known"
          : health.healthy
          ? "All is well"
          : "Not all is well"}
      </p>
      {health.issues.length > 0 && (
        <ul>
          {health.issues.slice(0, 20).map((issue) => (
            <li key={issue} dir="auto">{clip(visible(issue), 600)}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Limits of the server, as `hello` tells them. */
function useLimits(): Readonly<Record<string, unknown>> {
  const { link } = useConsole();
  const state = useCell(link.state);
  const [limits, setLimits] = useState<Readonly<Record<string, unknown>>>({});
  useEffect(() => {
    if (state !== "connected") return;
    link.request("hello", { client: { name: "console" } }).then(
      (data) => setLimits({ ...data.limits }),
      () => {},
    );
  }, [state]);
  return limits;
}

function Use() {
  const console = useConsole();
  const metrics = useCell(console.metrics.samples).at(-1)?.metrics;
  const limits = useLimits();
  if (metrics === undefined) return null;
  const { sessions, loopDelayMs, journal, commands, refusals } = metrics;
  const failed = Object.entries(commands).filter(([code]) => code !== "ok");
  const limitOf = (name: string): number | undefined => {
    const limit = limits[name];
    return typeof limit === "number" ? limit : undefined;
  };
  const hosts = loopDelayMs.hosts;
  return (
    <section class="group" aria-label="Use">
      <h2>Use</h2>
      <dl class="tiles">
        <Tile
          name="Live sessions"
          value={count(sessions.live)}
          of={limitOf("sessions")}
          used={sessions.live}
        />
        <Tile
          name="Parked sessions"
          value={count(sessions.parked)}
          of={limitOf("parkedSessions")}
          used={sessions.parked}
        />
        <Tile
          name="Connections"
          value={count(metrics.connections)}
          of={limitOf("connections")}
          used={metrics.connections}
        />
        <Tile
          name="Workers"
          value={String(metrics.hosts)}
          note={hosts.length === 0 ? "" : `slowest ${Math.max(...hosts).toFixed(1)} ms`}
        />
        <Tile name="Up since" value={duration(metrics.uptimeMs)} />
        <Tile name="Turns" value={count(metrics.turns)} />
        <Tile
          name="Queued output"
          value={bytes(metrics.outboxBytes)}
          note={`${metrics.coalesced} merged, ${metrics.lagged} lagged, ${metrics.evicted} closed`}
        />
        <Tile
          name="Idempotency keys"
          value={count(journal.keys)}
          note={bytes(journal.keyBytes + journal.messageBytes)}
        />
      </dl>
      {(failed.length > 0 || Object.keys(refusals).length > 0) && (
        <p class="hint">
          Since the start:{" "}
          {[...failed, ...Object.entries(refusals)].sort(([, a], [, b]) => b - a).slice(0, 12)
            .map(([name, number]) => `${name} ${number}`).join(", ")}
        </p>
      )}
    </section>
  );
}

interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly of?: number | undefined;
  readonly used?: number;
}

function Tile({ name, value, note = "", of, used = 0 }: TileProps) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <span class="value">{value}{of !== undefined && <span class="hint">of {count(of)}</span>}</span>
        {of !== undefined && (
          <meter
            min={0}
            max={of}
            high={of * 0.8}
            optimum={0}
            value={used}
            aria-label={`${name}: ${used} of ${of}`}
          />
        )}
        {note !== "" && <span class="hint">{note}</span>}
      </dd>
    </div>
  );
}

function About() {
  const { link } = useConsole();
  const greeting = useCell(link.greeting);
  const access = useCell(link.access);
  if (greeting === undefined) return null;
  const rows: readonly (readonly [string, string])[] = [
    ["pi-server", `${greeting.version}, protocol ${greeting.protocolVersion}`],
    ["pi", `${greeting.pi.package} ${greeting.pi.version}`],
    ["Listens on", greeting.endpoints.map(({ url }) => url).join(", ") || "stdio alone"],
    ["Server id", greeting.serverId],
    ["This page's token", `${access.role}, for ${access.whole ? "all sessions" : "some sessions"}`],
  ];
  return (
    <section class="group" aria-label="Versions">
      <h2>Versions</h2>
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <bdi>{clip(value, 400)}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

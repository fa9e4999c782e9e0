// The form for what a session may spend. Only the role `admin` may change it.
import { useState } from "preact/hooks";
import type { SessionInfo } from "../../client/browser.ts";
import { useConsole, useMay } from "../app/console.ts";
import { duration, money, several } from "../text/format.ts";
import type { SessionFeed } from "./feed.ts";

interface Props {
  readonly feed: SessionFeed;
  readonly info: SessionInfo;
}

function numberIn(text: string): number | undefined {
  const value = Number(text);
  return text.trim() === "" || !Number.isFinite(value) || value < 0 ? undefined : value;
}

/** A session's budget. */
export function BudgetForm({ feed, info }: Props) {
  const console = useConsole();
  const mayChange = useMay("admin");
  const { budget, usage, sessionId } = info;
  const [usd, setUsd] = useState(String(budget?.maxUsd ?? ""));
  const [turns, setTurns] = useState(String(budget?.maxTurns ?? ""));
  const [minutes, setMinutes] = useState(
    budget?.maxWallMs === undefined ? "" : String(budget.maxWallMs / 60_000),
  );
  const [abort, setAbort] = useState(budget?.onExceed === "abort");
  const save = async (): Promise<void> => {
    const [maxUsd, maxTurns, wall] = [numberIn(usd), numberIn(turns), numberIn(minutes)];
    await console.attempt(async () => {
      await console.link.request("set_budget", {
        sessionId,
        ...(maxUsd === undefined ? {} : { maxUsd }),
        ...(maxTurns === undefined ? {} : { maxTurns: Math.round(maxTurns) }),
        ...(wall === undefined ? {} : { maxWallMs: Math.round(wall * 60_000) }),
        onExceed: abort ? "abort" : "pause",
      });
      await feed.refresh();
    }, "The budget is set");
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <fieldset disabled={!mayChange}>
        <legend>Budget</legend>
        <p class="hint">
          Spent: {money(usage?.usd ?? 0)}, {several(usage?.turns ?? 0, "turn")},{" "}
          {duration(usage?.wallMs ?? 0)}. An empty field is no limit.
        </p>
        <div class="pair three">
          <label>
            US dollars
            <input
              type="number"
              min="0"
              step="any"
              value={usd}
              onInput={(event) => setUsd(event.currentTarget.value)}
            />
          </label>
          <label>
            Turns
            <input
              type="number"
              min="0"
              step="1"
              value={turns}
              onInput={(event) => setTurns(event.currentTarget.value)}
            />
          </label>
          <label>
            Minutes
            <input
              type="number"
              min="0"
              step="any"
              value={minutes}
              onInput={(event) => setMinutes(event.currentTarget.value)}
            />
          </label>
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={abort}
            onChange={(event) => setAbort(event.currentTarget.checked)}
          />
          <span>Stop a run at once when the budget is met</span>
        </label>
        <div class="choices">
          <button type="submit">Set the budget</button>
        </div>
      </fieldset>
    </form>
  );
}

// The settings of one session: model, level, tools, queue modes, compaction, budget. What the token may not change is
// shown and cannot be changed.
import { useEffect, useState } from "preact/hooks";
import type { Model, SessionInfo, SessionStats, Tool } from "../../client/browser.ts";
import { useConsole, useMay } from "../app/console.ts";
import { clip, count, duration, money, several, visible } from "../text/format.ts";
import { Sheet } from "../parts/sheet.tsx";
import { BudgetForm } from "./budget_form.tsx";
import type { SessionFeed } from "./feed.ts";

interface Props {
  readonly feed: SessionFeed;
  readonly info: SessionInfo;
  readonly onClose: () => void;
}

interface Known {
  readonly models: readonly Model[];
  readonly tools: readonly Tool[];
  readonly levels: readonly SessionInfo["thinkingLevel"][];
  readonly stats: SessionStats | undefined;
}

/** The sheet with a session's settings. */
export function SettingsSheet({ feed, info, onClose }: Props) {
  const console = useConsole();
  const { link } = console;
  const { sessionId } = info;
  const mayDrive = useMay("drive");
  const [known, setKnown] = useState<Known>({ models: [], tools: [], levels: [], stats: undefined });
  const read = async (): Promise<void> => {
    const [{ models }, { tools }, { levels }, stats] = await Promise.all([
      link.request("get_available_models", { sessionId }),
      link.request("get_tools", { sessionId }),
      link.request("get_available_thinking_levels", { sessionId }),
      link.request("get_session_stats", { sessionId }),
    ]);
    setKnown({ models, tools, levels, stats });
  };
  useEffect(() => void console.attempt(read), [sessionId]);
  const change = (work: () => Promise<unknown>): void =>
    void console.attempt(async () => {
      await work();
      await Promise.all([feed.refresh(), read()]);
    });
  const levels = known.levels.includes(info.thinkingLevel)
    ? known.levels
    : [info.thinkingLevel, ...known.levels];
  const active = known.tools.filter((tool) => tool.active).map((tool) => tool.name);
  return (
    <Sheet title="Settings" kind="side" onClose={onClose}>
      <fieldset class="fields bare" disabled={!mayDrive}>
        <legend class="sr">Settings of the session</legend>
        <label>
          Model
          <select
            value={info.model === undefined ? "" : `${info.model.provider}/${info.model.id}`}
            onChange={(event) => {
              const one = known.models.find(({ provider, id }) =>
                `${provider}/${id}` === event.currentTarget.value
              );
              if (one === undefined) return;
              change(() => link.request("set_model", { sessionId, provider: one.provider, modelId: one.id }));
            }}
          >
            {modelsOf(known.models, info).map(({ provider, id }) => (
              <option key={`${provider}/${id}`} value={`${provider}/${id}`}>{provider} / {id}</option>
            ))}
          </select>
        </label>
        <label>
          Thinking
          <select
            value={info.thinkingLevel}
            onChange={(event) => {
              const level = levels.find((one) => one === event.currentTarget.value);
              if (level !== undefined) change(() => link.request("set_thinking_level", { sessionId, level }));
            }}
          >
            {levels.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        <fieldset>
          <legend>Tools</legend>
          <div class="checks">
            {known.tools.map(({ name, description }) => (
              <label key={name} title={description.slice(0, 300)}>
                <input
                  type="checkbox"
                  checked={active.includes(name)}
                  onChange={(event) => {
                    const tools = event.currentTarget.checked
                      ? [...active, name]
                      : active.filter((one) => one !== name);
                    change(() => link.request("set_tools", { sessionId, tools }));
                  }}
                />
                <bdi>{clip(visible(name), 60)}</bdi>
              </label>
            ))}
          </div>
        </fieldset>
        <Modes info={info} change={change} />
      </fieldset>
      <BudgetForm feed={feed} info={info} />
      <Facts info={info} stats={known.stats} />
    </Sheet>
  );
}

/** The known models, with the session's own among them. */
function modelsOf(models: readonly Model[], { model }: SessionInfo): readonly Model[] {
  if (
    model === undefined || models.some(({ provider, id }) => provider === model.provider && id === model.id)
  ) {
    return models;
  }
  return [model, ...models];
}

interface ModesProps {
  readonly info: SessionInfo;
  readonly change: (work: () => Promise<unknown>) => void;
}

function Modes({ info, change }: ModesProps) {
  const { link } = useConsole();
  const { sessionId } = info;
  const modeOf = (value: string): "all" | "one-at-a-time" => value === "all" ? "all" : "one-at-a-time";
  return (
    <>
      <div class="pair">
        <label>
          Steering messages
          <select
            value={info.steeringMode}
            onChange={(event) => {
              const mode = modeOf(event.currentTarget.value);
              change(() => link.request("set_steering_mode", { sessionId, mode }));
            }}
          >
            <option value="one-at-a-time">one in each turn</option>
            <option value="all">all at once</option>
          </select>
        </label>
        <label>
          Follow-ups
          <select
            value={info.followUpMode}
            onChange={(event) => {
              const mode = modeOf(event.currentTarget.value);
              change(() => link.request("set_follow_up_mode", { sessionId, mode }));
            }}
          >
            <option value="one-at-a-time">one after the other</option>
            <option value="all">all at once</option>
          </select>
        </label>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={info.autoCompactionEnabled}
          onChange={(event) => {
            const enabled = event.currentTarget.checked;
            change(() => link.request("set_auto_compaction", { sessionId, enabled }));
          }}
        />
        <span>Compact by itself when the context is nearly full</span>
      </label>
    </>
  );
}

function Facts({ info, stats }: { readonly info: SessionInfo; readonly stats: SessionStats | undefined }) {
  const rows: readonly (readonly [string, string])[] = [
    ["Id", info.sessionId],
    ["Folder", info.cwd],
    ["File", info.sessionFile ?? "none: in memory"],
    ["Created", new Date(info.createdAt).toLocaleString()],
    [
      "Spent",
      `${money(info.usage?.usd ?? 0)}, ${several(info.usage?.turns ?? 0, "turn")}, ${
        duration(info.usage?.wallMs ?? 0)
      }`,
    ],
    ...(stats === undefined ? [] : [
      ["Messages", `${stats.totalMessages}, ${several(stats.toolCalls, "tool call")}`] as const,
      [
        "Tokens",
        `${count(stats.tokens.input)} in, ${count(stats.tokens.output)} out, ${
          count(stats.tokens.cacheRead)
        } cached`,
      ] as const,
    ]),
    ...(info.untrusted === undefined ? [] : [["Not trusted", info.untrusted.join(", ")] as const]),
    ...(info.fileRepair === undefined ? [] : [["File repair", info.fileRepair.message] as const]),
  ];
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <bdi>{clip(visible(value), 600)}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

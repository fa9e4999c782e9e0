// The form that makes a session: folder, name, model, level, tools, trust. The tools come from a session that is live,
// since the server knows them by session alone.
import { useEffect, useState } from "preact/hooks";
import type { Model, Tool } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { Sheet } from "../parts/sheet.tsx";
import { Button } from "../parts/button.tsx";

/** Levels of thinking, from none to most. */
export const LEVELS = ["off", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

interface Known {
  readonly models: readonly Model[];
  readonly tools: readonly Tool[];
}

/** Asks for what any session may use; a live one knows the tools. */
async function ask({ link }: ReturnType<typeof useConsole>, sessionId: string | undefined): Promise<Known> {
  const [{ models }, { tools }] = await Promise.all([
    link.request("get_available_models", {}),
    sessionId === undefined ? { tools: [] } : link.request("get_tools", { sessionId }),
  ]);
  return { models, tools };
}

/** The form for a new session. */
export function NewSession({ onClose }: { readonly onClose: () => void }) {
  const console = useConsole();
  const [known, setKnown] = useState<Known>({ models: [], tools: [] });
  const [cwd, setCwd] = useState("");
  const [name, setName] = useState("");
  const [model, setModel] = useState("");
  const [level, setLevel] = useState("");
  const [tools, setTools] = useState<readonly string[] | undefined>(undefined);
  const [trust, setTrust] = useState(false);
  const [inMemory, setInMemory] = useState(false);
  const [making, setMaking] = useState(false);
  const entries = [...useCell(console.sessions.entries).values()];
  const capabilities = useCell(console.link.greeting)?.capabilities ?? [];
  const levels = LEVELS.filter((one) => one !== "max" || capabilities.includes("thinking_level_max"));
  const live = entries.find(({ status }) => status === "live")?.sessionId;
  useEffect(() => {
    ask(console, live).then(setKnown, () => {});
  }, [live]);
  const folders = [...new Set(entries.map((entry) => entry.cwd))].slice(0, 50);
  const make = async (): Promise<void> => {
    setMaking(true);
    const picked = known.models[Number(model)];
    const made = await console.attempt(() =>
      console.link.request("create_session", {
        ...(cwd.trim() === "" ? {} : { cwd: cwd.trim() }),
        ...(name.trim() === "" ? {} : { sessionName: name.trim() }),
        ...(model === "" || picked === undefined ? {} : { provider: picked.provider, modelId: picked.id }),
        ...levelOf(level),
        ...(tools === undefined ? {} : { tools: [...tools] }),
        ...(trust ? { trustProject: true } : {}),
        ...(inMemory ? { inMemory: true } : {}),
      })
    );
    setMaking(false);
    if (made === undefined) return;
    console.sessions.put(made.sessionInfo);
    onClose();
    location.hash = sessionHref(made.sessionId);
  };
  const active = tools ?? known.tools.filter((tool) => tool.active).map((tool) => tool.name);
  return (
    <Sheet title="New session" onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label>
          Folder
          <input
            type="text"
            list="folders"
            placeholder="The server's folder"
            spellcheck={false}
            value={cwd}
            onInput={(event) => setCwd(event.currentTarget.value)}
          />
          <datalist id="folders">{folders.map((folder) => <option key={folder} value={folder} />)}</datalist>
        </label>
        <label>
          Name
          <input
            type="text"
            dir="auto"
            maxLength={1024}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <div class="pair">
          <label>
            Model
            <select value={model} onChange={(event) => setModel(event.currentTarget.value)}>
              <option value="">pi's default</option>
              {known.models.map((one, index) => (
                <option key={index} value={String(index)}>{one.provider} / {one.id}</option>
              ))}
            </select>
          </label>
          <label>
            Thinking
            <select value={level} onChange={(event) => setLevel(event.currentTarget.value)}>
              <option value="">pi's default</option>
              {levels.map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
          </label>
        </div>
        {known.tools.length > 0 && (
          <fieldset>
            <legend>Tools</legend>
            <div class="checks">
              {known.tools.map((tool) => (
                <label key={tool.name} title={tool.description.slice(0, 300)}>
                  <input
                    type="checkbox"
                    checked={active.includes(tool.name)}
                    onChange={(event) =>
                      setTools(
                        event.currentTarget.checked
                          ? [...active, tool.name]
                          : active.filter((one) => one !== tool.name),
                      )}
                  />
                  <bdi>{tool.name.slice(0, 60)}</bdi>
                </label>
              ))}
            </div>
          </fieldset>
        )}
        <label class="check">
          <input
            type="checkbox"
            checked={trust}
            onChange={(event) => setTrust(event.currentTarget.checked)}
          />
          <span>Trust the folder: load its extensions, settings and skills</span>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={inMemory}
            onChange={(event) => setInMemory(event.currentTarget.checked)}
          />
          <span>Keep no file: the session ends with its worker</span>
        </label>
        <div class="choices">
          <button type="submit" class="primary" disabled={making}>{making ? "Makes it" : "Create"}</button>
          <Button class="quiet" onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Sheet>
  );
}

/** The field of a chosen level; none for pi's default. */
export function levelOf(level: string): { readonly thinkingLevel?: typeof LEVELS[number] } {
  const found = LEVELS.find((one) => one === level);
  return found === undefined ? {} : { thinkingLevel: found };
}

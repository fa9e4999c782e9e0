// The form that mints a token, and what comes of it: a link and a QR code, which are shown this once.
import { useState } from "preact/hooks";
import { ROLES } from "../app/access.ts";
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { linkWith } from "../app/token.ts";
import { clip, visible } from "../text/format.ts";
import { Icon } from "../parts/icons.tsx";
import { QrCode } from "../parts/qr.tsx";
import { Sheet } from "../parts/sheet.tsx";
import { nameOf } from "../state/session_book.ts";
import { Button } from "../parts/button.tsx";

const WORDS = {
  observe: "observe: read alone",
  answer: "answer: also answer questions",
  drive: "drive: also prompt and run shells",
  admin: "admin: also mint tokens",
} as const;
const LIVES: readonly (readonly [ms: number, name: string])[] = [
  [3_600_000, "1 hour"],
  [8 * 3_600_000, "8 hours"],
  [24 * 3_600_000, "1 day"],
  [7 * 24 * 3_600_000, "7 days"],
  [24 * 24 * 3_600_000, "24 days"],
];

/** The sheet that mints a token. */
export function MintToken({ onClose }: { readonly onClose: () => void }) {
  const console = useConsole();
  const entries = [...useCell(console.sessions.entries).values()];
  const [role, setRole] = useState<typeof ROLES[number]>("observe");
  const [ttlMs, setTtlMs] = useState(3_600_000);
  const [label, setLabel] = useState("");
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [made, setMade] = useState("");
  const mint = async (): Promise<void> => {
    const minted = await console.attempt(() =>
      console.link.request("mint_token", {
        ...{ role, ttlMs },
        ...(picked.length === 0 ? {} : { sessions: [...picked] }),
        ...(label.trim() === "" ? {} : { label: label.trim() }),
      })
    );
    const [only] = picked;
    const to = picked.length === 1 && only !== undefined ? sessionHref(only).slice(1) : "";
    if (minted !== undefined) setMade(linkWith(minted.token, to));
  };
  if (made !== "") return <Minted link={made} onClose={onClose} />;
  return (
    <Sheet title="Mint a token" onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void mint();
        }}
      >
        <div class="pair">
          <label>
            Role
            <select
              value={role}
              onChange={(event) =>
                setRole(ROLES.find((one) => one === event.currentTarget.value) ?? "observe")}
            >
              {ROLES.map((one) => <option key={one} value={one}>{WORDS[one]}</option>)}
            </select>
          </label>
          <label>
            Life
            <select value={String(ttlMs)} onChange={(event) => setTtlMs(Number(event.currentTarget.value))}>
              {LIVES.map(([ms, name]) => <option key={ms} value={String(ms)}>{name}</option>)}
            </select>
          </label>
        </div>
        <label>
          Label
          <input
            type="text"
            dir="auto"
            maxLength={128}
            placeholder="Whose it is"
            value={label}
            onInput={(event) => setLabel(event.currentTarget.value)}
          />
        </label>
        {entries.length > 0 && (
          <fieldset>
            <legend>Sessions: {picked.length === 0 ? "all" : picked.length}</legend>
            <div class="checks high">
              {entries.slice(0, 200).map((entry) => (
                <label key={entry.sessionId}>
                  <input
                    type="checkbox"
                    checked={picked.includes(entry.sessionId)}
                    onChange={(event) =>
                      setPicked(
                        event.currentTarget.checked
                          ? [...picked, entry.sessionId]
                          : picked.filter((one) => one !== entry.sessionId),
                      )}
                  />
                  <bdi>{clip(visible(nameOf(entry)), 60)}</bdi>
                </label>
              ))}
            </div>
          </fieldset>
        )}
        <div class="choices">
          <button type="submit" class="primary">Mint</button>
          <Button class="quiet" onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Sheet>
  );
}

function Minted({ link, onClose }: { readonly link: string; readonly onClose: () => void }) {
  const console = useConsole();
  const copy = (): void => void console.attempt(() => navigator.clipboard.writeText(link), "Copied");
  return (
    <Sheet title="The new token" onClose={onClose}>
      <p class="hint">
        The link holds the token and is shown this once. It opens this console in another browser.
      </p>
      <QrCode text={link} label="QR code of the link" />
      <label class="fields">
        <span class="sr">Link</span>
        <input
          type="text"
          class="mono"
          readOnly
          value={link}
          aria-label="Link"
          onFocus={(event) => event.currentTarget.select()}
        />
      </label>
      <div class="choices">
        <Button class="primary" onClick={copy}>
          <Icon name="copy" /> Copy the link
        </Button>
        <Button class="quiet" onClick={onClose}>Done</Button>
      </div>
    </Sheet>
  );
}

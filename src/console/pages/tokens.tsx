// The tokens of the server: mint one as a link and a QR code, see which there are and when they were used, revoke.
import { useEffect, useState } from "preact/hooks";
import type { DataMap } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { ago, clip, duration, visible } from "../text/format.ts";
import { Icon } from "../parts/icons.tsx";
import { MintToken } from "./mint_token.tsx";
import { Button } from "../parts/button.tsx";

type Token = DataMap["list_tokens"]["tokens"][number];

/** The list of tokens. */
export function Tokens() {
  const console = useConsole();
  const [tokens, setTokens] = useState<readonly Token[]>([]);
  const [minting, setMinting] = useState(false);
  const read = (): void =>
    void console.attempt(async () => setTokens((await console.link.request("list_tokens", {})).tokens));
  useEffect(read, [console]);
  return (
    <section class="group" aria-label="Tokens">
      <h2>
        Tokens <span class="count">{tokens.length}</span>
        <span class="space" />
        <Button onClick={() => setMinting(true)}>
          <Icon name="plus" /> Mint a token
        </Button>
      </h2>
      {tokens.length === 0
        ? (
          <p class="hint">
            No token was minted. A minted token lets a phone or another person in, for less than all.
          </p>
        )
        : (
          <ul class="lines">
            {tokens.map((token) => <TokenLine key={token.tokenId} token={token} onChange={read} />)}
          </ul>
        )}
      {minting && (
        <MintToken
          onClose={() => {
            setMinting(false);
            read();
          }}
        />
      )}
    </section>
  );
}

function TokenLine({ token, onChange }: { readonly token: Token; readonly onChange: () => void }) {
  const console = useConsole();
  const now = useCell(console.now);
  const [sure, setSure] = useState(false);
  const { tokenId, label, role, sessions, scrape, expiresAt, lastUsedAt, connections } = token;
  const revoke = (): void =>
    void console.attempt(() => console.link.request("revoke_token", { tokenId }), "Revoked").then(onChange);
  const left = expiresAt === undefined
    ? "no end"
    : expiresAt <= now
    ? "over"
    : `ends in ${duration(expiresAt - now)}`;
  return (
    <li class="line">
      <span class="linemain">
        <span class="chip">{scrape === true ? "metrics" : role}</span>
        <span class="linename">
          <bdi class="name">{clip(visible(label ?? tokenId), 80)}</bdi>
          <bdi class="path">
            {sessions === undefined ? "all sessions" : clip(sessions.join(", "), 120)}
          </bdi>
        </span>
        <span class="linestate">{connections > 0 ? `${connections} connected` : ""}</span>
        <span class="linemodel">{left}</span>
        <span class="lineage">{lastUsedAt === undefined ? "never used" : ago(lastUsedAt, now)}</span>
      </span>
      {sure ? <Button class="danger" onClick={revoke}>Revoke for good</Button> : (
        <Button
          class="quiet"
          aria-label={`Revoke ${clip(visible(label ?? tokenId), 60)}`}
          onClick={() => setSure(true)}
        >
          Revoke
        </Button>
      )}
    </li>
  );
}

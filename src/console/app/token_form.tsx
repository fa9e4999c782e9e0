// What the page shows while it is not connected: that it connects, or a form for a token and why it is needed.
import { useState } from "preact/hooks";
import { useCell } from "./cell.ts";
import { useConsole } from "./console.ts";
import { Button } from "../parts/button.tsx";

/** The form that lets a person in. */
export function TokenForm() {
  const console = useConsole();
  const state = useCell(console.link.state);
  const reason = useCell(console.link.reason);
  const [token, setToken] = useState("");
  const down = state === "lost";
  return (
    <main id="main" class="enter" tabIndex={-1}>
      <div class="enterbox">
        <h1>
          <span class="brand" aria-hidden="true">π</span> pi-server
        </h1>
        {state === "connecting" || down
          ? (
            <p role="status">
              {down ? "The server cannot be reached. The page tries again by itself." : "Connects"}
            </p>
          )
          : (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                if (token.trim() !== "") console.enter(token.trim());
              }}
            >
              {state === "refused" && <p class="failure" role="alert">{reason}</p>}
              <label for="token">Token</label>
              <input
                id="token"
                type="password"
                autocomplete="off"
                spellcheck={false}
                value={token}
                onInput={(event) => setToken(event.currentTarget.value)}
              />
              <button type="submit" class="primary">Connect</button>
              <p class="hint">
                <code>pi-server open</code>{" "}
                opens this page with a token. The server's own token is in the file <code>token</code>{" "}
                of its state folder. This tab keeps it until it is closed.
              </p>
            </form>
          )}
        {down && <Button class="quiet" onClick={() => console.leave()}>Use another token</Button>}
      </div>
    </main>
  );
}

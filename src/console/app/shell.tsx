// The frame around the pages: navigation, the state of the connection, the banner while it is lost, and the form that
// asks for a token.
import { useEffect, useRef, useState } from "preact/hooks";
import { Inbox } from "../pages/inbox.tsx";
import { Server } from "../pages/server.tsx";
import { SessionPage } from "../pages/session.tsx";
import { Sessions } from "../pages/sessions.tsx";
import { Icon } from "../parts/icons.tsx";
import { NO_ACCESS } from "./access.ts";
import { useCell } from "./cell.ts";
import { type Console, useConsole } from "./console.ts";
import { NoticeList } from "./notices.tsx";
import { TokenForm } from "./token_form.tsx";
import { Button } from "../parts/button.tsx";

/** The whole page. */
export function Shell() {
  const console = useConsole();
  const state = useCell(console.link.state);
  const client = useCell(console.link.client);
  useEffect(() => shortcuts(console), [console]);
  const inside = client !== undefined && state !== "refused";
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      {inside ? <Frame /> : <TokenForm />}
      <NoticeList notices={console.notices} />
    </>
  );
}

function skip(event: MouseEvent): void {
  // The fragment is the address of the page, so focus moves without it.
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Frame() {
  const console = useConsole();
  const route = useCell(console.route);
  const first = useRef(true);
  useEffect(() => {
    // Who works by keyboard or by ear goes on in the page that has just opened.
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
  }, [route]);
  return (
    <div class={`frame at-${route.page}`}>
      <TopBar />
      <Banner />
      <main id="main" tabIndex={-1}>
        {route.page === "sessions" && <Sessions />}
        {route.page === "session" && <SessionPage key={route.sessionId} sessionId={route.sessionId} />}
        {route.page === "inbox" && <Inbox />}
        {route.page === "server" && <Server />}
      </main>
    </div>
  );
}

function TopBar() {
  const console = useConsole();
  const route = useCell(console.route);
  const open = useCell(console.dialogs.open).length;
  const access = useCell(console.link.access);
  const page = route.page === "session" ? "sessions" : route.page;
  return (
    <header class="topbar">
      <a class="brand" href="#/" aria-label="pi-server">π</a>
      <nav aria-label="Pages">
        <a href="#/" aria-current={page === "sessions" ? "page" : undefined}>Sessions</a>
        <a href="#/inbox" aria-current={page === "inbox" ? "page" : undefined}>
          Inbox {open > 0 && (
            <span class="badge">
              {open}
              <span class="sr">open questions</span>
            </span>
          )}
        </a>
        <a href="#/server" aria-current={page === "server" ? "page" : undefined}>Server</a>
      </nav>
      <span class="space" />
      <LinkDot />
      {access !== NO_ACCESS && !(access.role === "admin" && access.whole) && (
        <span class="chip" title="What this page's token allows">
          {access.role}
          {access.whole ? "" : ", some sessions"}
        </span>
      )}
      <NotifyButton />
      <Button
        class="icon"
        aria-label="Sign out"
        title="Sign out"
        onClick={() => console.leave()}
      >
        <Icon name="leave" />
      </Button>
    </header>
  );
}

function NotifyButton() {
  const { notifier } = useConsole();
  const state = useCell(notifier.state);
  if (state === "unsupported") return null;
  const label = state === "denied" ? "Notifications are blocked by the browser" : "Notifications";
  return (
    <Button
      class={`icon ${state === "on" ? "on" : ""}`}
      aria-label={label}
      title={`${label}: ${state}`}
      aria-pressed={state === "on"}
      disabled={state === "denied"}
      onClick={() => void notifier.toggle()}
    >
      <Icon name="bell" />
    </Button>
  );
}

function LinkDot() {
  const state = useCell(useConsole().link.state);
  const words = state === "connected" ? "Connected" : "Connecting";
  return (
    <span class="linkdot" title={words}>
      <span class={`dot ${state === "connected" ? "done" : "running"}`} aria-hidden="true" />
      <span class="sr">{words}</span>
    </span>
  );
}

/** Says that the connection is lost, and since when the network is away. */
function Banner() {
  const { link } = useConsole();
  const state = useCell(link.state);
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const look = (): void => setOffline(!navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
    return () => {
      removeEventListener("online", look);
      removeEventListener("offline", look);
    };
  }, []);
  const lost = state === "lost" || state === "connecting";
  return (
    <div class={lost || offline ? "banner" : "banner none"} role="status">
      {offline
        ? "You are offline. What you type is kept."
        : lost
        ? "The server cannot be reached. The page connects again by itself; what you type is kept."
        : ""}
    </div>
  );
}

/** `g` and a letter goes to a page, `/` to the search, `?` nowhere: the keys are in the titles. */
function shortcuts(console: Console): () => void {
  let waiting = false;
  const onKey = (event: KeyboardEvent): void => {
    const { target, key } = event;
    const typing = target instanceof HTMLElement &&
      (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (waiting) {
      waiting = false;
      const page = { s: "#/", i: "#/inbox", v: "#/server" }[key];
      if (page !== undefined) {
        location.hash = page;
        event.preventDefault();
        return;
      }
    }
    if (key === "g") waiting = true;
    const id = key === "/"
      ? (console.route.value.page === "session" ? "prompt" : "search")
      : key === "i"
      ? "prompt"
      : "";
    const field = id === "" ? null : document.getElementById(id);
    if (field === null) return;
    field.focus();
    event.preventDefault();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}

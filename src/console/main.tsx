// The console's entry: it takes the token out of the address and draws the page into #app. A client of the protocol.
//
// Roles and names that tests and screen readers find things by:
// - navigation "Pages": links Sessions, Inbox, Server. button "Sign out". button "Notifications". link "Skip to the
//   content". status with the banner while the connection is lost.
// - Token form: textbox labelled "Token" (a password field), button "Connect", alert with why it was refused.
// - Sessions: heading "Sessions", searchbox "Search sessions", group "Which sessions" with buttons All, Live, Parked,
//   Stored. regions "Wait for you", "Working", "Stopped", "Idle", "Parked", "Stored" with a link (a button for a stored
//   one) for each session. button "Actions for NAME" with menuitems Rename and Delete. button "New session".
// - Sheets are dialogs: "New session" (Folder, Name, Model, Thinking, Create), "Rename the session", "Delete the
//   session", "Settings" (Model, Thinking, tools as checkboxes, Budget with "Set the budget").
// - More sheets: "Tree" (list "Entries", buttons "Go on here" and "Fork"), "Mint a token" (Role, Life, Label, Mint), "The new token" (image "QR code of the
//   link", textbox "Link", button "Copy the link"). each has a button "Close".
// - Session: heading with its name, log "Transcript", articles "Your message", "Answer" (aria-busy while it comes),
//   "Shell command". groups "Tool NAME", "Thinking". groups "Output", "Difference", "Arguments". buttons
//   "Copy" on code. form "Prompt" with
//   textbox "Message", listbox "Commands", buttons Send, Steer, "Follow up", Stop, "Add pictures", list "Pictures to
//   send", list "Queued messages" with button "Take back". buttons Settings, Tree, "More actions" (menuitems Rename,
//   Compact, "Export as a page", Clone, "Begin anew", "Reload extensions", Delete). buttons "To the end" and "Older
//   messages".
// - Questions, on the session's page and in the Inbox: region "Question: TITLE" with a button for each option, Yes, No,
//   Answer, Cancel.
// - Server: regions Health, Use, "Over time" (an image for each plot), Spend, Tokens (button "Mint a token", buttons
//   "Revoke LABEL"), Versions.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { render } from "preact";
import { Console, ConsoleProvider } from "./app/console.ts";
import { Shell } from "./app/shell.tsx";
import { takeToken } from "./app/token.ts";

const token = takeToken();
const root = document.getElementById("app");
if (root !== null) {
  const console = new Console();
  // Without a token the server may still let the page in, when it was started with --no-auth.
  void console.link.start(token);
  render(
    <ConsoleProvider value={console}>
      <Shell />
    </ConsoleProvider>,
    root,
  );
}

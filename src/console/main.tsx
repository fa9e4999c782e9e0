// The console's entry: it takes the token out of the address and draws the page into #app. A client of the protocol.
//
// Roles and names that tests and screen readers find things by:
// - navigation "Pages": links Sessions, Inbox, Server. Beside it: buttons Notifications, "Sign out"; the first link of
//   the page is "Skip to the content". A status says that the connection is lost.
// - Token form: label Token (a password field), button Connect. An alert says why the server refused a token.
// - Sessions: heading Sessions, searchbox "Search sessions", button "New session".
//   Group "Which sessions": buttons All, Live, Parked, Stored.
//   Regions "Wait for you", Working, Stopped, Idle, Parked, Stored: a link for each session, a button for a stored one.
//   Button "Actions for NAME": menuitems Rename, Delete.
// - Sheets are dialogs with a button Close. "New session": Folder, Name, Model, Thinking, Create.
//   "Rename the session". "Delete the session". Settings: Model, Thinking, tools as checkboxes, "Set the budget".
//   Tree: list Entries, buttons "Go on here", Fork. "Mint a token": Role, Life, Label, Mint.
//   "The new token": image "QR code of the link", textbox Link, button "Copy the link".
// - Session: heading with its name, buttons "Settings MODEL LEVEL", Tree.
//   Button "More actions": menuitems Rename, Compact, "Export as a page", Clone, "Begin anew", "Reload extensions", Delete.
//   Log Transcript: articles "Your message", Answer (aria-busy while it comes), "Shell command".
//   In it: groups "Tool NAME", Thinking, Output, Difference, Arguments; buttons Copy, "To the end", "Older messages".
//   Form Prompt: textbox Message, listbox Commands, buttons Send, Steer, "Follow up", Stop, "Add pictures".
//   Lists "Pictures to send", "Queued messages"; button "Take back".
// - Questions, on the session's page and in the Inbox: region "Question: TITLE".
//   In it: a button for each option, or Yes, No, Answer; and Cancel.
// - Server: regions Health, Use, "Over time" (an image for each plot), Spend, Tokens, Versions.
//   In Tokens: buttons "Mint a token", "Revoke LABEL".
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

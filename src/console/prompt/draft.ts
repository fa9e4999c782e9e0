// What a person has typed and not sent, for each session: kept in this tab, so that a reload or a lost connection
// takes nothing away. Pictures are too large for that and stay in the page.

const PREFIX = "pi-server.draft.";
const MOST_CHARS = 200_000;

/** The text that was typed for that session. */
export function readDraft(sessionId: string): string {
  try {
    return sessionStorage.getItem(PREFIX + sessionId) ?? "";
  } catch {
    return "";
  }
}

/** Keeps the text; an empty one is forgotten. */
export function writeDraft(sessionId: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(PREFIX + sessionId);
    else if (text.length <= MOST_CHARS) sessionStorage.setItem(PREFIX + sessionId, text);
  } catch {
    // The browser keeps nothing here, or no more than it has.
  }
}

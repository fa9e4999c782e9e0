// Steps that the cases about dialogs share: who watches, what was asked, who ended it.

import { at, type Json, type JsonObject, objectAt } from "../base/json.ts";
import { uiPrompt } from "./dialog_extension.ts";
import type { Wire } from "../wire/wire_client.ts";

/** The next dialog or notice of the session. */
export async function shownTo(wire: Wire, sessionId: string): Promise<JsonObject> {
  return objectAt(await wire.event(sessionId, "extension_ui_request"), "event");
}

/** How that dialog ended, as this connection saw it. */
export async function endedBy(
  wire: Wire,
  sessionId: string,
  request: JsonObject,
): Promise<Json | undefined> {
  const isIt = (event: JsonObject) => event.requestId === request.requestId;
  return at(await wire.event(sessionId, "extension_ui_resolved", isIt), "event", "by");
}

/** A prompt that has the extension do these UI calls. */
export function asks(sessionId: string, out: string, calls: Json[][], together = false): JsonObject {
  return { type: "prompt", sessionId, message: uiPrompt(out, calls, together) };
}

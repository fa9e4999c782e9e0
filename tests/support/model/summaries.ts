// Requests for a summary (a compaction's or a left branch's) carry the whole conversation, with every marker in it;
// so they are answered by what they are, not by marker.

import type { ModelRequest, ModelServer, Step } from "./model_server.ts";

/** Whether the request asks for a summary of a conversation. */
export function asksForSummary(request: ModelRequest): boolean {
  return request.userText.includes("<conversation>");
}

/** Answers requests for summaries with the given text while the body runs. */
export async function withSummary<T>(
  model: ModelServer,
  step: (request: ModelRequest) => Step,
  body: () => Promise<T>,
): Promise<T> {
  model.handler = (request) => asksForSummary(request) ? step(request) : undefined;
  try {
    return await body();
  } finally {
    model.handler = undefined;
  }
}

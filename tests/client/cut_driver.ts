// What the client is put through behind a proxy that cuts its connections: one long answer, followed to its end.
// The same on Deno, in Node and in a browser; the last two get it bundled.

import { AnswerText, connect } from "../../src/client/mod.ts";

/** What to do. */
export interface Job {
  readonly url: string;
  readonly token: string;
  readonly sessionId: string;
  readonly message: string;
}

/** What came of it. */
export interface Report {
  /** Digest and length of the answer as the server has it in the end. */
  readonly digest: string;
  readonly length: number;
  /** Digest of the text that was put together from events and snapshots; null when a snapshot left it out. */
  readonly followed: string | null;
  readonly connections: number;
  readonly snapshots: number;
  /** Numbers of events that came twice or too early. */
  readonly faults: number;
  /** Digest of the text that the prompt itself was answered with. */
  readonly answered: string;
}

/** Hexadecimal SHA-256. */
export async function digestOf(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Follows one answer from its prompt to its end. */
export async function drive({ url, token, sessionId, message }: Job): Promise<Report> {
  let connections = 0;
  const client = await connect({
    url,
    token,
    onConnection: (state) => connections += state === "connected" ? 1 : 0,
  });
  try {
    const events = await client.subscribe(sessionId);
    const asked = client.prompt(sessionId, message);
    const answer = new AnswerText();
    let [last, faults, snapshots] = [0, 0, 0];
    for await (const item of events) {
      answer.apply(item);
      const first = item.kind === "event" ? item.seq - (item.coalesced ?? 1) : item.seq;
      if (item.kind === "event" ? first !== last : first < last) faults++;
      last = item.seq;
      if (item.kind === "snapshot") snapshots++;
      const over = item.kind === "event"
        ? item.event.type === "agent_settled"
        : !item.sessionInfo.isStreaming && item.sessionInfo.messageCount > 1;
      if (over) break;
    }
    const answered = (await asked).text;
    const { text } = await client.request("get_last_assistant_text", { sessionId });
    return {
      digest: await digestOf(text ?? ""),
      length: (text ?? "").length,
      followed: answer.known ? await digestOf(answer.text) : null,
      connections,
      snapshots,
      faults,
      answered: await digestOf(answered ?? ""),
    };
  } finally {
    await client.close();
  }
}

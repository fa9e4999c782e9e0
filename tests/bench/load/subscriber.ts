// A subscriber of its own process, for benchmarks that stop it or want its work off the measuring process: reads
// all sessions and counts. Usage: deno run -A subscriber.ts <url> <token>; prints `subscribed`, then counts.

import { Reader } from "../support/readers.ts";

const [url = "", token = ""] = Deno.args;
const reader = await Reader.subscribe({ url, token }, { sessionId: "*" });
console.log("subscribed");
setInterval(() => console.log(JSON.stringify({ updates: reader.updates, merged: reader.merged })), 200);
await reader.client.socket.closed;
Deno.exit(0);

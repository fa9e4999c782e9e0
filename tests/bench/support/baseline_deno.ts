// The bare server on Deno that pi-server is measured against: parses and stringifies every message, and, given
// a file with texts, sends those to everyone on `{"type":"go"}` and to the asker on `{"type":"replay"}`. Nothing
// else: no token, no limits, no session. Its twin on Node is `baseline_node.mjs`.
// Usage: deno run -A baseline_deno.ts [texts.json]; prints its address.

import { setImmediate } from "node:timers";

const [file] = Deno.args;
const texts: string[] = file === undefined ? [] : JSON.parse(Deno.readTextFileSync(file));
const sockets = new Set<WebSocket>();

/** Gives the event loop a turn so often; a loop that never does is slower, since nothing leaves meanwhile. */
const TURN = 64;

async function broadcast(to: Iterable<WebSocket>): Promise<void> {
  const targets = [...to];
  for (const [n, text] of texts.entries()) {
    for (const socket of targets) socket.send(text);
    if (n % TURN === TURN - 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(`ws://127.0.0.1:${port}/`),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = () => sockets.add(socket);
  socket.onclose = () => sockets.delete(socket);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "go") void broadcast(sockets);
    else if (message.type === "replay") void broadcast([socket]);
    else socket.send(JSON.stringify(message));
  };
  return response;
});

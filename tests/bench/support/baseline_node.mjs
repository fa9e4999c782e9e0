// The bare server on Node that pi-server's Node build is measured against: `baseline_deno.ts` with node:http
// and ws. Usage: node baseline_node.mjs [texts.json]; prints its address.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { setImmediate } from "node:timers";
import { WebSocketServer } from "ws";

const file = process.argv[2];
const texts = file === undefined ? [] : JSON.parse(readFileSync(file, "utf8"));
const sockets = new Set();
const TURN = 64;

async function broadcast(to) {
  const targets = [...to];
  for (const [n, text] of texts.entries()) {
    for (const socket of targets) socket.send(text);
    if (n % TURN === TURN - 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

const server = createServer();
new WebSocketServer({ server }).on("connection", (socket) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString());
    if (message.type === "go") void broadcast(sockets);
    else if (message.type === "replay") void broadcast([socket]);
    else socket.send(JSON.stringify(message));
  });
});
server.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.address().port}/`));

// What one would write without pi-server: a pi session in this process, each of its updates encoded once, in the
// same words as ours, and sent to every socket in a loop. No token, no limits, no log, no second thread. Runs on
// Deno and on Node. Usage: baseline_pi.mjs <cwd> <agent folder> <pi's package>; prints its address;
// `{"type":"go","message":…}` prompts.
import process from "node:process";

const [cwd, agentDir, pi] = process.argv.slice(2);
const { createAgentSession, SessionManager } = await import(pi);
const sockets = new Set();
let seq = 0;

const { session } = await createAgentSession({ cwd, agentDir, sessionManager: SessionManager.inMemory(cwd) });
// Extensions register their models when they are bound.
await session.bindExtensions({});
// pi 1.6 has no registry in its session.
const { modelRegistry, modelRuntime } = session;
await session.setModel(modelRuntime?.getModel("bench", "bench-1") ?? modelRegistry.find("bench", "bench-1"));
session.subscribe((event) => {
  seq++;
  if (event.type !== "message_update") return;
  const { partial: _partial, ...assistantMessageEvent } = event.assistantMessageEvent;
  const text = JSON.stringify({
    type: "event",
    sessionId: "bench",
    seq,
    event: { type: event.type, assistantMessageEvent },
  });
  for (const socket of sockets) socket.send(text);
});

function take(data) {
  const { type, message } = JSON.parse(data);
  if (type !== "go") return;
  session.prompt(message).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

if ("Deno" in globalThis) {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`ws://127.0.0.1:${port}/`),
  }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => sockets.add(socket);
    socket.onclose = () => sockets.delete(socket);
    socket.onmessage = ({ data }) => take(data);
    return response;
  });
} else {
  const [{ createServer }, { WebSocketServer }] = await Promise.all([import("node:http"), import("ws")]);
  const server = createServer();
  new WebSocketServer({ server }).on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("message", (data) => take(data.toString()));
  });
  server.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.address().port}/`));
}

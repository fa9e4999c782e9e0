// A client in a process of its own, to be stopped: connects, subscribes, says so. Usage: URL SESSION, token in
// PI_SERVER_TOKEN.

const [url = "", sessionId = ""] = Deno.args;
const socket = new WebSocket(url, ["pi-server.v1", `pi-server.bearer.${Deno.env.get("PI_SERVER_TOKEN")}`]);
socket.onopen = () => socket.send(JSON.stringify({ id: "s", type: "subscribe", sessionId }));
socket.onmessage = ({ data }) => {
  if (JSON.parse(data).id === "s") console.log("subscribed");
};

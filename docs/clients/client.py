#!/usr/bin/env python3
"""A client of pi-server: starts it as a child, asks one question, prints the answer as it comes.

    python3 client.py "What is in this folder?"
    python3 client.py "Use a tool" pi-server --no-ws --demo

Python 3.8 or later, nothing to install. One JSON object is one line on the child's stdin and stdout.
"""
import json
import subprocess
import sys
import uuid


class Failed(Exception):
    """The server refused a command."""


class Client:
    def __init__(self, command):
        # Bytes, not text: only LF ends a line, and what Python calls a line has other ends as well.
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.commands = 0
        greeting = self.read()
        if greeting is None:
            raise Failed("the server ended before it greeted; see above for its reason")
        self.capabilities = greeting["data"]["capabilities"]

    def read(self):
        """The next message; None at the end."""
        line = self.server.stdout.readline()
        return json.loads(line) if line else None

    def send(self, type, **fields):
        """Sends a command and returns its id."""
        self.commands += 1
        command = {"id": str(self.commands), "type": type, **fields}
        self.server.stdin.write(json.dumps(command).encode() + b"\n")
        self.server.stdin.flush()
        return command["id"]

    def answer(self, id, on_event=lambda session_id, event: None):
        """Reads on until the command with that id is answered."""
        while (message := self.read()) is not None:
            if message["type"] == "event":
                on_event(message["sessionId"], message["event"])
            elif message["type"] == "response" and message.get("id") == id:
                if message["success"]:
                    return message["data"]
                raise Failed(f"{message['command']}: {message['error']} ({message['code']})")
        raise Failed("the server has ended")

    def close(self):
        """The server finishes what it was asked for, and ends."""
        self.server.stdin.close()
        while self.read() is not None:
            pass
        return self.server.wait()


def main(argv):
    question = argv[1] if len(argv) > 1 else "Hello"
    try:
        client = Client(argv[2:] or ["pi-server", "--no-ws"])
    except (OSError, Failed) as reason:
        print(f"client.py: {reason}", file=sys.stderr)
        return 1

    def on_event(session_id, event):
        update = event.get("assistantMessageEvent", {})
        if event["type"] == "message_update" and update.get("type") == "text_delta":
            print(update["delta"], end="", flush=True)
        elif event["type"] == "tool_execution_start":
            print(f"\n[{event['toolName']}]", flush=True)
        elif event["type"] == "extension_ui_request" and event["method"] in ("select", "confirm", "input", "editor"):
            # An extension asks, and this program has nobody to ask.
            response = {"method": "cancelled"}
            client.send("extension_ui_response", sessionId=session_id, requestId=event["requestId"],
                        response=response)

    try:
        session = client.answer(client.send("create_session"))["sessionId"]
        client.answer(client.send("subscribe", sessionId=session))
        # With a key the prompt runs once, however often it is sent.
        asked = client.send("prompt", sessionId=session, message=question, waitFor="settled",
                            idempotencyKey=str(uuid.uuid4()))
        done = client.answer(asked, on_event)
        usage = done.get("usage") or {}
        print(f"\n({done['stopReason']}, {usage.get('totalTokens', 0)} tokens)")
    except Failed as reason:
        print(f"client.py: {reason}", file=sys.stderr)
        client.close()
        return 1
    return client.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv))

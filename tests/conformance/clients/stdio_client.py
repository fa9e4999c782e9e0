"""Drives pi-server as a child over stdio, with the standard library only.

Usage: python3 stdio_client.py <program> [args...]; exits with 0 when the session answered and the server ended.
"""

import json
import subprocess
import sys


def main() -> int:
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    commands = [
        {"id": "1", "type": "create_session", "sessionId": "py", "inMemory": True},
        {"id": "2", "type": "subscribe", "sessionId": "py"},
        {"id": "3", "type": "prompt", "sessionId": "py", "message": "Hello from Python", "waitFor": "settled"},
    ]
    for command in commands:
        server.stdin.write(json.dumps(command).encode() + b"\n")
    server.stdin.flush()
    greeting = json.loads(server.stdout.readline())
    assert greeting["type"] == "server_ready", greeting
    streamed, settled, answered = "", 0, []
    while len(answered) < len(commands):
        message = json.loads(server.stdout.readline())
        if message["type"] == "response":
            assert message["success"], message
            answered.append(message["id"])
            last = message
        elif message["type"] == "event":
            event = message["event"]
            settled += event["type"] == "agent_settled"
            update = event.get("assistantMessageEvent", {})
            if update.get("type") == "text_delta":
                streamed += update["delta"]
    server.stdin.close()
    rest = server.stdout.read()
    code = server.wait(timeout=30)
    # The server says goodbye; nothing else is left.
    assert [json.loads(line)["type"] for line in rest.splitlines()] == ["server_shutdown"], rest
    assert settled == 1, settled
    assert streamed == last["data"]["text"] and streamed, (streamed, last)
    print(json.dumps({"answered": answered, "text": streamed, "exitCode": code}))
    return code


if __name__ == "__main__":
    sys.exit(main())

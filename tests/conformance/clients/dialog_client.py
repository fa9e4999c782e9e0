"""Answers every dialog of an extension over stdio, with the standard library only.

Usage: python3 dialog_client.py <session folder> <prompt> <program> [args...]; prints the methods it was shown.
"""

import json
import subprocess
import sys


def reply(event):
    """What a person would answer."""
    method = event["method"]
    if method == "select":
        return {"method": method, "value": event["options"][-1]}
    if method == "confirm":
        return {"method": method, "confirmed": True}
    if method == "input":
        return {"method": method, "value": "from Python"}
    if method == "editor":
        return {"method": method, "value": event["prefill"] + ", edited"}
    return None


def main() -> int:
    folder, prompt = sys.argv[1:3]
    server = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(**command):
        server.stdin.write(json.dumps(command, ensure_ascii=False).encode() + b"\n")
        server.stdin.flush()

    send(id="c", type="create_session", sessionId="py", cwd=folder, trustProject=True, inMemory=True)
    send(id="s", type="subscribe", sessionId="py")
    send(id="p", type="prompt", sessionId="py", message=prompt, waitFor="settled")
    shown, resolved, answered = [], [], set()
    while not answered >= {"c", "s", "p"}:
        message = json.loads(server.stdout.readline())
        if message["type"] == "response":
            assert message["success"], message
            answered.add(message["id"])
        elif message["type"] == "event" and message["event"]["type"] == "extension_ui_request":
            event = message["event"]
            shown.append(event["method"])
            response = reply(event)
            if response:
                send(id="a-" + event["requestId"], type="extension_ui_response", sessionId="py",
                     requestId=event["requestId"], response=response)
        elif message["type"] == "event" and message["event"]["type"] == "extension_ui_resolved":
            resolved.append(message["event"]["by"])
    assert resolved == ["client"] * 4, resolved
    server.stdin.close()
    server.stdout.read()
    print(json.dumps(shown))
    return server.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())

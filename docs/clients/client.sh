#!/bin/sh
# A client of pi-server: starts it as a child, asks one question, prints the answer as it comes.
#
#   sh client.sh "What is in this folder?"
#   sh client.sh "Use a tool" pi-server --no-ws --demo
#
# POSIX shell and jq. One JSON object is one line on the child's stdin and stdout.
set -eu
question=${1:-Hello}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- pi-server --no-ws
command -v jq >/dev/null || { echo "client.sh: jq is needed; install it with your package manager" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/in" "$folder/out"
"$@" <"$folder/in" >"$folder/out" &
server=$!
# Opened in the order in which the server opens them.
exec 3>"$folder/in" 4<"$folder/out"

fail() {
  echo "client.sh: $1" >&2
  exec 3>&-
  wait "$server" || true
  exit 1
}

# The answer to the command with that id; what comes before it is left out.
answer() {
  while IFS= read -r line <&4; do
    [ "$(printf '%s\n' "$line" | jq -r '.id // ""')" != "$1" ] || { printf '%s\n' "$line"; return; }
  done
  echo '{"command":"the server","error":"has ended","code":"no answer"}'
}

IFS= read -r greeting <&4 || fail "the server ended before it greeted; see above for its reason"
[ "$(printf '%s\n' "$greeting" | jq -r .type)" = server_ready ] || fail "this is no pi-server"

echo '{"id":"1","type":"create_session"}' >&3
created=$(answer 1)
session=$(printf '%s\n' "$created" | jq -r '.data.sessionId // ""')
[ -n "$session" ] || fail "$(printf '%s\n' "$created" | jq -r '"\(.command): \(.error) (\(.code))"')"
jq -nc --arg s "$session" '{id: "2", type: "subscribe", sessionId: $s}' >&3
jq -nc --arg s "$session" --arg m "$question" \
  '{id: "3", type: "prompt", sessionId: $s, message: $m, waitFor: "settled"}' >&3
# An extension may ask, and this program has nobody to ask: its dialogs are cancelled.
mkfifo "$folder/events"
jq -c --unbuffered 'select(.event.type == "extension_ui_request") | .sessionId as $s | .event
  | select(.method | IN("select", "confirm", "input", "editor"))
  | {type: "extension_ui_response", sessionId: $s, requestId, response: {method: "cancelled"}}' \
  <"$folder/events" >&3 &
dialogs=$!

# Text as it comes, until the prompt is answered; -j writes no line ends of its own.
while IFS= read -r line <&4; do
  printf '%s\n' "$line"
  case $line in
    *'"type":"response"'*)
      [ "$(printf '%s\n' "$line" | jq -r .id)" != 3 ] || { printf '%s\n' "$line" >"$folder/done"; break; }
      ;;
  esac
done | tee "$folder/events" | jq -j --unbuffered 'select(.type == "event") | .event
  | if .type == "message_update" then .assistantMessageEvent | select(.type == "text_delta") | .delta
    elif .type == "tool_execution_start" then "\n[\(.toolName)]\n"
    else empty end'
wait "$dialogs"
[ -s "$folder/done" ] || fail "the server has ended"
jq -e .success "$folder/done" >/dev/null || fail "$(jq -r '"\(.command): \(.error) (\(.code))"' "$folder/done")"
jq -r '"\n(\(.data.stopReason), \(.data.usage.totalTokens // 0) tokens)"' "$folder/done"

# The server finishes what it was asked for, and ends.
exec 3>&-
cat <&4 >/dev/null
wait "$server"

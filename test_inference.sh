#!/usr/bin/env bash
# Asks a running Headgate one question and prints the answer as it is generated.
#
#   ./test_inference.sh "What is the capital of France?" 1000
#
# The second argument is the most tokens the answer may have, 1000 if it is left out. Environment:
# COORDINATOR_URL (default http://127.0.0.1:1337), or only PORT; MODEL (default "default"); and
# HEADGATE_API_KEY where a key is needed. Ends with 1 when there is no whole answer.
set -uo pipefail

url="${COORDINATOR_URL:-http://127.0.0.1:${PORT:-1337}}"
url="${url%/}"

stop() {
  printf '%s\n' "$1" >&2
  exit 1
}

# A text as JSON writes it, without the quotes around it.
json_text() {
  local text="$1"
  text="${text//\\/\\\\}"
  text="${text//\"/\\\"}"
  text="${text//$'\n'/\\n}"
  text="${text//$'\r'/\\r}"
  text="${text//$'\t'/\\t}"
  printf '%s' "$text" | tr -d '\000-\037'
}

# Prints the text that stands under a name in a line of JSON.
text_under() {
  local text
  [[ "$2" =~ \"$1\"[[:space:]]*:[[:space:]]*\"((\\.|[^\"\\])*)\" ]] || return 1
  text="${BASH_REMATCH[1]}"
  text="${text//\\\"/\"}"
  text="${text//\\\//\/}"
  # The other escapes of JSON are printf's too.
  printf '%b' "$text"
}

# What an error says; all of it where it says nothing by these names.
reason() {
  text_under message "$1" || text_under error "$1" || printf '%s' "${1:-no reason given}"
}

command -v curl >/dev/null || stop "This needs curl. Install it, or use test_inference.py."
[[ $# -eq 1 || $# -eq 2 ]] || stop "usage: $0 \"question\" [most tokens of the answer]"
max_tokens="${2:-1000}"
[[ "$max_tokens" =~ ^[0-9]+$ ]] || stop "$max_tokens is no number of tokens"

headers=(-H "content-type: application/json")
[[ -z "${HEADGATE_API_KEY:-}" ]] || headers+=(-H "authorization: Bearer $HEADGATE_API_KEY")
body="{\"prompt\":\"$(json_text "$1")\",\"model\":\"$(json_text "${MODEL:-default}")\",\"max_tokens\":$max_tokens}"

# Tokens are printed as their events come. What is no event is the reason why there are none, and
# the last line is the status, which curl adds.
status=000
refusal=""
while IFS= read -r line || [[ -n "$line" ]]; do
  case "$line" in
    data:*)
      if [[ "$line" =~ \"error\"[[:space:]]*: ]]; then
        stop $'\n'"The answer broke off: $(reason "$line")"
      fi
      text_under token "$line"
      if [[ "$line" =~ \"finished\"[[:space:]]*:[[:space:]]*true ]]; then
        printf '\n'
        exit 0
      fi
      ;;
    status:*) status="${line#status:}" ;;
    *) refusal+="$line" ;;
  esac
done < <(curl -sN -X POST "$url/coordinator/infer" "${headers[@]}" --data-binary "$body" -w '\nstatus:%{http_code}\n')

case "$status" in
  000) stop "$url does not answer. Start Headgate with \`npm start\`, or set COORDINATOR_URL or PORT." ;;
  200) stop $'\n'"The answer ended without a last event. Ask again, and look at the log of Headgate." ;;
  *) stop "$status: $(reason "$refusal")" ;;
esac

#!/usr/bin/env python3
"""Asks a running Headgate one question and prints the answer as it is generated.

    python test_inference.py "What is the capital of France?" 1000

The second argument is the most tokens the answer may have, 1000 if it is left out. Environment:
COORDINATOR_URL (default http://127.0.0.1:1337), or only PORT; MODEL (default "default"); and
HEADGATE_API_KEY where a key is needed. Ends with 1 when there is no whole answer.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("COORDINATOR_URL") or f"http://127.0.0.1:{os.environ.get('PORT') or 1337}"
MODEL = os.environ.get("MODEL") or "default"
API_KEY = os.environ.get("HEADGATE_API_KEY")
# No token for this long, in seconds, and nobody is there any more.
SILENCE_MAX = 300


def main() -> None:
    if len(sys.argv) not in (2, 3):
        stop(f'usage: {sys.argv[0]} "question" [most tokens of the answer]')
    question = sys.argv[1]
    try:
        max_tokens = int(sys.argv[2]) if len(sys.argv) == 3 else 1000
    except ValueError:
        stop(f"{sys.argv[2]} is no number of tokens")
    try:
        with ask(question, max_tokens) as response:
            print_answer(response)
    except urllib.error.HTTPError as error:
        stop(f"{error.code}: {reason(error.read())}")
    except urllib.error.URLError as error:
        stop(f"{URL} does not answer ({error.reason}). Start Headgate with `npm start`, or set COORDINATOR_URL or PORT.")
    except (OSError, http.client.HTTPException) as error:
        stop(f"The connection broke ({error or type(error).__name__}). Ask again.")


def ask(question: str, max_tokens: int) -> http.client.HTTPResponse:
    headers = {"content-type": "application/json"}
    if API_KEY:
        headers["authorization"] = f"Bearer {API_KEY}"
    body = json.dumps({"prompt": question, "model": MODEL, "max_tokens": max_tokens}).encode()
    request = urllib.request.Request(f"{URL.rstrip('/')}/coordinator/infer", body, headers)
    return urllib.request.urlopen(request, timeout=SILENCE_MAX)


def print_answer(response: http.client.HTTPResponse) -> None:
    """Prints each token as its event comes; an answer is whole once an event says so."""
    # What the terminal can't show is no reason to stop.
    sys.stdout.reconfigure(errors="replace")
    for line in response:
        if not line.startswith(b"data:"):
            continue
        event = json.loads(line[len(b"data:") :])
        if "error" in event:
            stop(f"\nThe answer broke off: {text_of(event['error'])}")
        print(event["token"], end="", flush=True)
        if event["finished"]:
            print()
            return
    stop("\nThe answer ended without a last event. Ask again, and look at the log of Headgate.")


def reason(body: bytes) -> str:
    try:
        return text_of(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500] or "no reason given"


def text_of(error: object) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def stop(message: str) -> None:
    sys.exit(message)


if __name__ == "__main__":
    main()

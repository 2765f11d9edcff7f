"""Write the held-out questions: phrasings and operands that training never uses.

    python heldout.py heldout.jsonl build/notes.jsonl

Each line of the file is {"category", "messages", "answer", "must"}; a reply is right if it contains
every string of `must`, or, where `must` is null, if it equals `answer`.
"""

import json
import sys

from corpus import Corpus
from notes import Notes
from questions import Item

# maker in Corpus | how many items
COUNTS = {"fact": 220, "arithmetic": 110, "word_problem": 30, "unit": 40, "sort": 50, "json_answer": 40, "story": 30,
          "count": 25, "spell": 15, "repeat": 25, "recall": 40, "name": 15, "chat": 16}


def entry(corpus: Corpus, item: Item) -> dict:
    """One in four has a system prompt; one in four of those with a follow-up asks that instead."""
    r = corpus.rng
    messages = []
    if item.system or r.random() < 0.25:
        messages.append({"role": "system", "content": item.system or corpus.system()})
    messages.append({"role": "user", "content": corpus.vary(item)})
    answer, must, category = item.answer, item.must, item.category
    if item.follow and r.random() < 0.25:
        question, reply, must = item.follow
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": question}]
        answer, category = reply, "recall" if category == "recall" else "follow-up"
    return {"category": category, "messages": messages, "answer": answer, "must": must}


def build(seed: int = 2024) -> list[dict]:
    corpus = Corpus(seed, held_out=True)
    entries, seen = [], set()
    for kind, count in COUNTS.items():
        made = tries = 0
        while made < count and tries < 50 * count:
            tries += 1
            one = entry(corpus, getattr(corpus, kind)())
            key = one["answer"] if kind == "arithmetic" else json.dumps(one["messages"])  # no sum is asked twice
            if key not in seen:
                seen.add(key)
                entries.append(one)
                made += 1
    return entries


def build_notes(seed: int = 2025, count: int = 60) -> list[dict]:
    """Questions about one code in a note of 300 to 1,800 tokens; every third code stands at the very start."""
    notes, entries = Notes(seed, held_out=True), []
    for i in range(count):
        note, items = notes.note(300 + 1500 * i // count)
        item = items[0]
        if i % 3 == 0:
            note = f"{item.answer} {note.replace(item.answer + ' ', '')}"
        message = {"role": "user", "content": f"{note} {item.question}"}
        entries.append({"category": "notes", "messages": [message], "answer": item.answer, "must": item.must})
    return entries


def write(path: str, entries: list[dict]) -> None:
    with open(path, "w") as out:
        for one in entries:
            out.write(json.dumps(one, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(sys.argv[1], build())
    write(sys.argv[2], build_notes())

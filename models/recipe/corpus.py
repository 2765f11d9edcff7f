"""Conversations: items dressed in varied spelling, with system prompts and several turns.

A conversation is a list of (role, text). Run as a script, this prints a few of them.
"""

import sys

import text
from questions import Item
from skills import Skills

Conversation = list[tuple[str, str]]

# How often each kind of item appears.
MIX = {"fact": 34, "arithmetic": 22, "word_problem": 4, "unit": 5, "sort": 8, "json_answer": 6, "story": 4, "count": 2,
       "spell": 2, "repeat": 3, "recall": 7, "name": 2, "chat": 5}
MIX_MATH = {"arithmetic": 62, "word_problem": 12, "unit": 8, "count": 3, "fact": 6, "chat": 3, "recall": 2, "sort": 2,
            "json_answer": 2}
CASED = {"capitals", "facts", "arithmetic", "units", "chat"}  # categories whose answers ignore the question's case


class Corpus(Skills):
    """An endless stream of conversations."""

    def __init__(self, seed: int, held_out: bool = False, mix: dict[str, int] = MIX):
        super().__init__(seed, held_out)
        self.mix = mix

    def item(self) -> Item:
        kind = self.rng.choices(list(self.mix), list(self.mix.values()))[0]
        return getattr(self, kind)()

    def vary(self, item: Item) -> str:
        """The question as a hurried or a polite person may type it."""
        r, q = self.rng, item.question
        if r.random() < 0.15 and q[-1] in "?.!":
            q = q[:-1]
        elif r.random() < 0.06 and q[-1] in "?.!":
            q += r.choice(text.ENDINGS)
        if r.random() < 0.1:
            q = r.choice(text.GREETINGS) + q
        if item.category in CASED:
            roll = r.random()
            if roll < 0.16:
                q = q.lower()
            elif roll < 0.19:
                q = q.upper()
        return q

    def system(self) -> str:
        """A system prompt of a few to about two hundred tokens."""
        r = self.rng
        if r.random() < 0.75:
            return self.pick(text.SYSTEM, text.SYSTEM_HELD_OUT)
        rules = r.sample(text.RULES, r.choice((2, 3, 4, 8, 16)))
        return " ".join([r.choice(text.SYSTEM), *rules])

    def conversation(self) -> Conversation:
        r = self.rng
        first = self.item()
        turns: Conversation = []
        if first.system:
            turns.append(("system", first.system))
        elif r.random() < 0.3:
            turns.append(("system", self.system()))
        extra = r.choices((0, 1, 2, 4, 8), (72, 12, 9, 5, 2))[0]
        items = [first]
        for _ in range(extra):
            item = self.item()
            while item.system:
                item = self.item()
            items.append(item)
        for item in items:
            turns += [("user", self.vary(item)), ("assistant", item.answer)]
            if item.follow and r.random() < (0.5 if extra else 0.1):
                turns += [("user", item.follow[0]), ("assistant", item.follow[1])]
        if first.system and extra and r.random() < 0.7:
            turns += [("user", first.question), ("assistant", first.answer)]
        return turns

    def plain(self) -> str:
        """Text without roles: a few true sentences, a question with its answer below it, or a story."""
        r, roll = self.rng, self.rng.random()
        if roll < 0.5:
            return " ".join(self.fact().answer for _ in range(r.randint(1, 6)))
        if roll < 0.75:
            item = self.fact() if r.random() < 0.6 else self.arithmetic()
            return f"{item.question}\n{item.answer}"
        return self.story().answer


if __name__ == "__main__":
    corpus = Corpus(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for _ in range(30):
        print(*(f"{role}: {words}" for role, words in corpus.conversation()), sep="\n", end="\n\n")

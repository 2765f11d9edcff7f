"""Long notes with a few codes in them, asked for at the end: what the 2,048-token variant is tuned on."""

import text
from corpus import Conversation, Corpus
from questions import Item
from skills import KEYS, LOCKS


class Notes(Corpus):
    """Half ordinary conversations, half long notes followed by questions about them."""

    def note(self, tokens: int) -> tuple[str, list[Item]]:
        """A note of about `tokens` tokens, and an item for each code hidden in it."""
        r = self.rng
        things = r.sample([f"{a} {b}" for a in KEYS for b in LOCKS], r.randint(2, 8))
        sentences = []
        while sum(map(len, sentences)) < tokens * 3.6:
            sentences.append(r.choice(text.STATEMENTS + text.RULES) if r.random() < 0.5 else self.fact().answer)
        items = []
        for thing in things:
            (code,) = self.until_mine(lambda: (str(n := r.randint(10, 9999)), n))
            answer = f"The code of the {thing} is {code}."
            sentences.insert(r.randrange(len(sentences) + 1), answer)
            ask = self.pick(["What is the code of the {t}?", "Tell me the code of the {t}.", "Code of the {t}?",
                             "Which code does the {t} have?"], ["Please tell me the code of the {t}."])
            items.append(Item("notes", ask.format(t=thing), answer, [f"is {code}."]))
        return " ".join(sentences), items

    def conversation(self) -> Conversation:
        r = self.rng
        if r.random() < 0.8:
            return super().conversation()
        note, items = self.note(int(50 * 36 ** r.random()))
        first, *rest = items
        turns = [("user", f"{note} {first.question}"), ("assistant", first.answer)]
        if r.random() < 0.3:
            turns = [("system", note), ("user", first.question), ("assistant", first.answer)]
        for item in rest + [self.item() for _ in range(2)]:
            if not item.system:
                turns += [("user", self.vary(item)), ("assistant", item.answer)]
        return turns

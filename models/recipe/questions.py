"""Questions about facts, and the `Speaker` that asks them.

A `Speaker` makes items, each a question with its answer. With `held_out=False` it uses training
phrasings and training operands; with `held_out=True` phrasings or operands that training never sees
(which of the two depends on the category: a capital has to be taught, a sum need not be).
"""

import random
import zlib
from dataclasses import dataclass

import facts
import text


@dataclass
class Item:
    """One exchange. `must` is what a right answer contains; None means it must equal `answer`."""

    category: str
    question: str
    answer: str
    must: list[str] | None = None
    system: str | None = None
    follow: tuple[str, str, list[str]] | None = None  # a second question, its answer, its `must`


# kind: (nouns for the leads, whole questions, whole questions held out, answer); {x} asks for {y}
FACTS = {
    "capital": (["the capital of {x}", "the capital of {x}", "the capital city of {x}", "{x}'s capital"],
                ["Which city is the capital of {x}?", "{x} capital", "Capital of {x}?", "The capital of {x} is"],
                ["Which city is {x}'s capital?", "What city is the capital of {x}?"], "The capital of {x} is {y}."),
    "country": (["the country whose capital is {x}"],
                ["Which country has {x} as its capital?", "{x} is the capital of which country?", "{x} is the capital of"],
                ["Of which country is {x} the capital?"], "{x} is the capital of {y}."),
    "continent": (["the continent of {x}"],
                  ["Which continent is {x} in?", "On which continent is {x}?", "Where in the world is {x}?", "Where is {x}?"],
                  ["In which continent is {x}?", "{x} is on which continent?"], "{x} is in {y}."),
    "currency": (["the currency of {x}", "the money of {x}"],
                 ["What money do people use in {x}?", "Which currency does {x} have?", "How do people pay in {x}?"],
                 ["Which money is used in {x}?", "Which currency do people use in {x}?"], "The currency of {x} is the {y}."),
    "symbol": (["the chemical symbol for {x}", "the symbol for {x}", "the chemical symbol of {x}"],
               ["Which symbol does {x} have?", "What letters stand for {x}?"],
               ["Which chemical symbol does {x} have?"], "The chemical symbol for {x} is {y}."),
    "element": (["the element with the symbol {x}"], ["Which element has the symbol {x}?", "{x} stands for which element?"],
                ["Which element is {x}?"], "{x} is the symbol for {y}."),
    "young": (["the young of a {x}", "the word for a baby {x}"],
              ["What do you call a baby {x}?", "How is a young {x} called?"], ["What do we call a young {x}?"],
              "A baby {x} is called a {y}."),
    "sound": (["the sound of a {x}", "the sound a {x} makes"], ["What sound does a {x} make?", "What does a {x} say?"],
              ["Which sound does a {x} make?"], "A {x} says {y}."),
    "home": (["the home of a {x}", "the name of a {x}'s home"], ["Where does a {x} live?", "Where do you find a {x}?"],
             ["In what does a {x} live?"], "A {x} lives in a {y}."),
    "legs": (["the number of legs of a {x}"], ["How many legs does a {x} have?", "How many legs has a {x}?"],
             ["A {x} has how many legs?"], "A {x} has {y} legs."),
    "colour": (["the colour of a {x}", "the color of a {x}"], ["What colour is a {x}?", "Which colour has a {x}?"],
               ["Which colour is a {x}?", "What color is a {x}?"], "A {x} is {y}."),
    "opposite": (["the opposite of {x}", "the opposite of {x}", "the opposite word of {x}"],
                 ["Which word is the opposite of {x}?", "Opposite of {x}", "{x} is the opposite of what?"],
                 ["Which word means the opposite of {x}?"], "The opposite of {x} is {y}."),
    "plural": (["the plural of {x}", "the plural form of {x}"], ["One {x}, two what?", "Plural of {x}"],
               ["What is {x} in the plural?", "How do you write the plural of {x}?"], "The plural of {x} is {y}."),
    "past": (["the past tense of {x}", "the past of {x}"], ["Today I {x}. What did I do yesterday?", "Past tense of {x}"],
             ["What is {x} in the past tense?"], "The past tense of {x} is {y}."),
    "sides": (["the number of sides of a {x}"], ["How many sides does a {x} have?", "How many sides has a {x}?"],
              ["A {x} has how many sides?"], "A {x} has {y} sides."),
    "job": (["the name of a person who {x}"], ["Who {x}?", "Which person {x}?"], ["What do you call someone who {x}?"],
            "A {y} {x}."),
    "after": (["the day or month after {x}"], ["What comes after {x}?", "Which comes after {x}?", "What follows {x}?"],
              ["Which one comes right after {x}?"], "After {x} comes {y}."),
    "before": (["the day or month before {x}"], ["What comes before {x}?", "Which comes before {x}?"],
               ["Which one comes right before {x}?"], "Before {x} comes {y}."),
    "month": (["the {x} month", "the {x} month of the year"], ["Which month is the {x} of the year?", "Which is the {x} month?"],
              ["Which month is {x}?"], "The {x} month is {y}."),
    "planet": (["the {x} planet", "the {x} planet from the Sun"], ["Which planet is the {x} from the Sun?"],
               ["Which is the {x} planet?"], "The {x} planet is {y}."),
}
FOLLOW_UPS = ["And {x}?", "What about {x}?", "And for {x}?", "And of {x}?", "{x}?"]
FOLLOW_KINDS = ["capital", "continent", "currency", "symbol", "opposite", "plural", "past", "colour"]


def knowledge() -> dict[str, list[tuple[str, str]]]:
    """All facts by kind, as (x, y) pairs."""
    ring = lambda names, step: [(n, names[(i + step) % len(names)]) for i, n in enumerate(names)]
    table = {
        "capital": [(c[0], c[1]) for c in facts.COUNTRIES], "country": [(c[1], c[0]) for c in facts.COUNTRIES],
        "continent": [(c[0], c[2]) for c in facts.COUNTRIES], "currency": [(c[0], c[3]) for c in facts.COUNTRIES],
        "element": [(symbol, element) for element, symbol in facts.SYMBOLS.items()],
        "after": ring(facts.DAYS, 1) + ring(facts.MONTHS, 1), "before": ring(facts.DAYS, -1) + ring(facts.MONTHS, -1),
        "month": list(zip(facts.ORDINALS, facts.MONTHS)), "planet": list(zip(facts.ORDINALS, facts.PLANETS)),
        "job": [(work, person) for work, person in facts.JOBS.items()],
    }
    for kind, source in (("symbol", facts.SYMBOLS), ("young", facts.YOUNG), ("sound", facts.SOUNDS), ("home", facts.HOMES),
                         ("legs", facts.LEGS), ("colour", facts.COLOURS), ("opposite", facts.OPPOSITES),
                         ("plural", facts.PLURALS), ("past", facts.PASTS), ("sides", facts.SIDES)):
        table[kind] = list(source.items())
    return table


KNOWLEDGE = knowledge()


def fix_articles(sentence: str) -> str:
    """`a ox` -> `an ox`, for the words of our tables that begin with a vowel."""
    for article in ("a", "A"):
        for vowel in "aeio":
            sentence = sentence.replace(f" {article} {vowel}", f" {article}n {vowel}")
            if sentence.startswith(f"{article} {vowel}"):
                sentence = f"{article}n {vowel}" + sentence[3:]
    return sentence.replace(" a umb", " an umb")


def capital_first(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


class Speaker:
    """A seeded source of items of every category."""

    def __init__(self, seed: int, held_out: bool = False):
        self.rng = random.Random(seed)
        self.held_out = held_out

    def pick(self, known: list, unseen: list | None = None):
        """Choose from the training list, or from the held-out one."""
        return self.rng.choice(unseen if self.held_out and unseen else known)

    def mine(self, key: str) -> bool:
        """Whether these operands belong to this side of the split: one in ten is held out.

        An empty key marks operands that are always trained on.
        """
        if not key:
            return not self.held_out
        return (zlib.crc32(key.encode()) % 10 == 0) == self.held_out

    def until_mine(self, draw):
        """Draw operands until they belong to this side; `draw` returns (key, operands...)."""
        while True:
            key, *operands = draw()
            if self.mine(key):
                return operands

    def fact(self, kind: str | None = None) -> Item:
        r = self.rng
        kind = kind or r.choice(["capital"] * 7 + ["country"] * 3 + ["continent"] * 3 + ["currency"] * 3 + ["symbol"] * 2
                                + ["opposite"] * 2 + ["plural", "past"] + list(FACTS))
        nouns, whole, whole_held_out, answer = FACTS[kind]
        x, y = r.choice(KNOWLEDGE[kind])
        use_lead = r.random() < (0.4 if kind in ("sound", "home", "legs", "job", "sides") else 0.65)
        if use_lead:
            question = self.pick(text.LEADS, text.LEADS_HELD_OUT).replace("{n}", r.choice(nouns))
        else:
            question = self.pick(whole, whole_held_out)
        sentence = lambda s, x, y: capital_first(fix_articles(s.replace("{x}", x).replace("{y}", y)))
        follow = None
        if kind in FOLLOW_KINDS:
            x2, y2 = r.choice(KNOWLEDGE[kind])
            follow = (sentence(r.choice(FOLLOW_UPS), x2, y2), sentence(answer, x2, y2), [y2])
        category = "capitals" if kind in ("capital", "country") else "facts"
        return Item(category, sentence(question, x, y), sentence(answer, x, y), [y], follow=follow)

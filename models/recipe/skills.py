"""What is practised rather than known: sums, sorting, JSON, stories, and remembering what was said."""

import json

import facts
import text
from questions import Item, Speaker, capital_first

KEYS = ["red", "blue", "green", "black", "white", "gold", "small", "big", "old", "new", "first", "last"]
LOCKS = ["key", "door", "box", "room", "bag", "safe", "bike", "gate"]


class Skills(Speaker):
    """Items of every category but the facts."""

    def arithmetic(self) -> Item:
        r = self.rng
        op = r.choices("+-*", (45, 33, 22))[0]

        def draw():
            if op == "*":
                a, b = r.randint(0, 12), r.randint(0, 12)
                return f"{a}*{b}" if a > b else "", a, b  # b*a is then always trained on
            top = r.choices((9, 20, 99, 500), (15, 20, 55, 10))[0]
            a, b = r.randint(0, top), r.randint(0, top)
            if op == "-" and b > a:
                a, b = b, a
            return f"{a}{op}{b}", a, b

        a, b = self.until_mine(draw)
        result = {"+": a + b, "-": a - b, "*": a * b}[op]
        spoken = {
            "+": ["{a} plus {b}", "the sum of {a} and {b}", "Add {a} and {b}.", "Add {b} to {a}.", "How much is {a} plus {b}?"],
            "-": ["{a} minus {b}", "Subtract {b} from {a}.", "Take {b} away from {a}.", "How much is {a} minus {b}?"],
            "*": ["{a} times {b}", "the product of {a} and {b}", "Multiply {a} by {b}.", "How much is {a} times {b}?"],
        }[op]
        forms = ["{a} {o} {b}", "{a} {o} {b} =", "{a}{o}{b}", "{a}{o}{b}=", "What is {a} {o} {b}?", "What is {a}{o}{b}?",
                 "Calculate {a} {o} {b}.", "Compute {a} {o} {b}.", "How much is {a} {o} {b}?", "Solve {a} {o} {b}.",
                 "Please work out {a} {o} {b}."] + spoken
        form = r.choice(forms)
        if form[0].islower():
            form = r.choice(["What is {n}?", "Tell me {n}.", "Calculate {n}.", "{n}"]).replace("{n}", form)
        sign = r.choice("*x") if op == "*" else op
        question = form.format(a=a, b=b, o=sign)
        return Item("arithmetic", capital_first(question), f"{a} {op} {b} = {result}.", [f"= {result}."])

    def word_problem(self) -> Item:
        r = self.rng
        gain = r.random() < 0.5

        def draw():
            a, b = r.randint(2, 30), r.randint(1, 20)
            if not gain and b > a:
                a, b = b, a
            return f"{a}{'+' if gain else '-'}{b}", a, b

        a, b = self.until_mine(draw)
        who, thing = r.choice(facts.NAMES), r.choice(facts.ITEMS) + "s"
        change = r.choice(["gets {b} more", "finds {b} more", "buys {b} more"] if gain
                          else ["loses {b}", "gives away {b}", "sells {b}"]).format(b=b)
        left = "" if gain else r.choice(["", " left"])
        question = f"{who} has {a} {thing} and {change}. How many {thing} does {who} have{left}?"
        result = a + b if gain else a - b
        return Item("arithmetic", question, f"{a} {'+' if gain else '-'} {b} = {result}. {who} has {result} {thing}.",
                    [f"has {result} "])

    def unit(self) -> Item:
        r = self.rng
        big, small, factor = r.choice(facts.UNITS)
        easy = factor in ("10", "100", "1000")

        def draw():
            n = r.randint(2, 40 if easy else 12)
            return (f"{n} {big} {small}" if easy and n > 12 else ""), n

        (n,) = self.until_mine(draw) if not self.held_out or easy else (r.randint(2, 12),)
        question = self.pick(
            ["How many {s} are {n} {b}?", "Convert {n} {b} to {s}.", "{n} {b} in {s}", "How many {s} are in {n} {b}?",
             "What is {n} {b} in {s}?", "{n} {b} to {s}", "Please convert {n} {b} into {s}.", "{n} {b} is how many {s}?"],
            ["Convert {n} {b} to {s}, please.", "How many {s} make {n} {b}?", "Turn {n} {b} into {s}."])
        result = n * int(factor)
        return Item("units", question.format(n=n, b=big, s=small), f"{n} {big} are {result} {small}.", [f"are {result} "])

    def sort(self) -> Item:
        r = self.rng

        def draw():
            chosen = r.sample(facts.POOL, r.choice((2, 3, 3, 3, 4, 4, 5)))
            return " ".join(sorted(chosen)), chosen

        (chosen,) = self.until_mine(draw)
        question = r.choice(["Sort these words: {w}", "Sort alphabetically: {w}", "Put these words in order: {w}",
                             "Sort the words {w}.", "Please sort: {w}", "Put in alphabetical order: {w}",
                             "Sort {w}", "Can you sort these words? {w}"]).format(w=", ".join(chosen))
        return Item("sorting", question, ", ".join(sorted(chosen)))

    def json_answer(self) -> Item:
        r = self.rng

        def draw():
            name, age, city, item = r.choice(facts.NAMES), r.randint(3, 99), r.choice(facts.CITIES), r.choice(facts.ITEMS)
            shape = r.choice(["name age", "name age", "name city", "name age city", "item price", "city name"])
            record = {"name": name, "age": age, "city": city, "item": item, "price": age}
            return f"{name}{age}{item}", {key: record[key] for key in shape.split()}

        (record,) = self.until_mine(draw)
        keys, values = list(record), [str(v) for v in record.values()]
        listed = " and ".join(keys) if len(keys) == 2 else ", ".join(keys[:-1]) + " and " + keys[-1]
        question = r.choice([
            "Give JSON with {k} for {v}", "Give JSON with {k} for {v}.", "Write JSON with {k} for {v}.",
            "Make a JSON object with {k}: {v}", "JSON with {k}: {v}", "Return JSON with the keys {k} for {v}.",
            "Give me JSON for {kv}.", "Answer in JSON: {kv}", "As JSON: {kv}", "Turn this into JSON: {kv}",
        ]).format(k=listed, v=", ".join(values), kv=", ".join(f"{k} {v}" for k, v in zip(keys, values)))
        return Item("json", question, json.dumps(record))

    def story(self) -> Item:
        """One of millions of stories of four to ten sentences, about 40 to 150 tokens."""
        r = self.rng
        hero, other = r.sample(facts.NAMES, 2)
        animal, friend = r.sample(text.ANIMALS, 2)
        words = {"N": hero, "M": other, "a": animal, "b": friend, "d": "a " + r.choice(text.ADJECTIVES),
                 "t": r.choice(text.THINGS), "p": r.choice(text.PLACES)}
        length = r.choice(["short", "short", "long", ""])
        optional = {"short": 1, "": 3, "long": 6}[length]
        kept = sorted(r.sample([1, 3, 5, 6, 7, 8], optional))
        parts = [text.STORY[i] for i in sorted([0, 2, 4, 9] + kept)]
        answer = " ".join(r.choice(part) for part in parts)
        for key, word in words.items():
            answer = answer.replace("{" + key + "}", word)
        # Training also asks for just any story; held-out requests always name the hero.
        asked = self.held_out or r.random() < 0.75
        question = self.pick(text.STORY_REQUESTS, text.STORY_REQUESTS_HELD_OUT) if asked else r.choice(text.STORY_ANY)
        question = question.replace("{N}", hero).replace("{a}", animal).replace("{z}", length or "nice")
        return Item("stories", clean(question), clean(answer), [hero, animal])

    def count(self) -> Item:
        r = self.rng

        def draw():
            low = r.choice([1, 1, r.randint(0, 60)])
            high = low + r.randint(3, 24)
            return (f"count {low} {high}" if low != 1 else ""), low, high

        low, high = self.until_mine(draw)
        numbers = range(low, high + 1)
        down = r.random() < 0.2
        forms = ["Count down from {h} to {l}.", "Count backwards from {h} to {l}."] if down else [
            "Count from {l} to {h}.", "Count to {h}, starting at {l}.", "List the numbers from {l} to {h}.",
            "Please count from {l} to {h}.", "Say all numbers from {l} to {h}."]
        answer = ", ".join(map(str, reversed(numbers) if down else numbers)) + "."
        return Item("counting", r.choice(forms).format(l=low, h=high), answer)

    def spell(self) -> Item:
        word = self.rng.choice(facts.POOL)
        question = self.pick(["Spell the word {w}.", "Spell {w}.", "How do you spell {w}?", "What are the letters of {w}?"],
                             ["Please spell {w}.", "Can you spell the word {w}?"]).format(w=word)
        return Item("words", question, "-".join(word))

    def repeat(self) -> Item:
        r = self.rng

        def draw():
            chosen = [r.choice(facts.POOL + facts.NAMES) for _ in range(r.randint(1, 6))]
            return " ".join(chosen), " ".join(chosen)

        (phrase,) = self.until_mine(draw)
        question = r.choice(["Repeat after me: {w}", "Repeat: {w}", "Say: {w}", "Repeat these words: {w}", "Echo {w}"])
        return Item("words", question.format(w=phrase), phrase)

    def recall(self) -> Item:
        """A fact stated in the system prompt or the question, asked for at once or in a second turn."""
        r = self.rng
        things = [f"{a} {b}" for a in KEYS for b in LOCKS]
        chosen = r.sample(things, r.choice((1, 2, 2, 3, 4)))
        codes = {t: self.until_mine(lambda: (str(n := r.randint(10, 9999)), n))[0] for t in chosen}
        stated = " ".join(f"The code of the {t} is {c}." for t, c in codes.items())
        one, two = r.choice(chosen), r.choice(chosen)
        ask = self.pick(["What is the code of the {t}?", "Tell me the code of the {t}.", "Code of the {t}?",
                         "Which code does the {t} have?"], ["Please tell me the code of the {t}."])
        answer = "The code of the {t} is {c}."
        question = ask.format(t=one)
        item = Item("recall", question, answer.format(t=one, c=codes[one]), [f"is {codes[one]}."],
                    follow=(r.choice(["And the {t}?", "What about the {t}?", "And of the {t}?"]).format(t=two),
                            answer.format(t=two, c=codes[two]), [f"is {codes[two]}."]))
        if r.random() < 0.4:
            item.system = f"{r.choice(text.SYSTEM)} {stated}"
        else:
            filler = " ".join(r.sample(text.STATEMENTS, r.choice((0, 0, 1, 3))))
            item.question = clean(f"{stated} {filler} {question}")
        return item

    def name(self) -> Item:
        """The user says who they are and asks for it back."""
        r = self.rng
        who, city = self.until_mine(lambda: ((w := r.choice(facts.NAMES)) + (c := r.choice(facts.CITIES)), w, c))
        told = r.choice(["My name is {n} and I live in {c}.", "I am {n} from {c}.", "I am {n}. I live in {c}."])
        ask, answer = r.choice([(["What is my name?", "Who am I?"], "Your name is {n}."),
                                (["Where do I live?", "In which city do I live?"], "You live in {c}.")])
        fill = lambda s: s.replace("{n}", who).replace("{c}", city)
        return Item("recall", fill(f"{told} {r.choice(ask)}"), fill(answer), [who if "{n}" in answer else city])

    def chat(self) -> Item:
        sayings, answer = self.rng.choice(text.CHAT)
        return Item("chat", self.pick(sayings[:-2], sayings[-2:]), answer)


def clean(sentence: str) -> str:
    """Single spaces, and `an` before a vowel."""
    sentence = " ".join(sentence.split())
    for vowel in "aeio":
        sentence = sentence.replace(f" a {vowel}", f" an {vowel}")
    return sentence

"""Endless training batches: conversations to token ids, with others of about the same length."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from corpus import Corpus
from tokenizer import BOS_ID, END_ID, ROLE_IDS

PLAIN_SHARE = 0.05  # of the examples are text without roles
CHUNK = 8_000  # conversations made at a time; lengths are matched within a chunk
LENGTHS = [24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 1536, 2048]  # tokens
GRAIN = 128  # the number of learnt positions in a batch is rounded up to a multiple of this


def learnt_positions(batch: "Batch") -> tuple[Tensor, Tensor]:
    """Indices into the flattened (B * T) positions, and the token to predict at each; -100 is filler."""
    where = batch.learn.flatten().nonzero().flatten()
    targets = batch.ids[:, 1:].flatten()[where]
    filler = -len(where) % GRAIN
    return F.pad(where, (0, filler)), F.pad(targets, (0, filler), value=-100)


@dataclass
class Batch:
    """ids (B, T + 1) of int64, and learn (B, T): whether to learn the token that follows position t."""

    ids: Tensor
    learn: Tensor


Example = tuple[list[int], list[bool]]  # token ids, and for each whether it is to be learnt


def examples(corpus: Corpus, tokenizer: Tokenizer, count: int) -> list[Example]:
    """Encode `count` conversations; only answers and their <|end|> are learnt, and all of a plain text."""
    r = corpus.rng
    talks = [[("plain", corpus.plain())] if r.random() < PLAIN_SHARE else corpus.conversation() for _ in range(count)]
    encoded = iter(tokenizer.encode_batch([words for talk in talks for _, words in talk]))
    out = []
    for talk in talks:
        starts = r.choices((0, 1, 2), (3, 94, 3))[0]  # a caller may forget <|bos|> or add a second one
        ids, learn = [BOS_ID] * starts, [False] * starts
        for role, _ in talk:
            words = next(encoded).ids
            if role != "plain":
                ids.append(ROLE_IDS[role])
                learn.append(False)
            ids += [*words, END_ID]
            learn += [role in ("assistant", "plain")] * (len(words) + 1)
        out.append((ids, learn))
    return out


def pad(group: list[Example], length: int) -> Batch:
    """Stack examples of at most length + 1 tokens."""
    ids = torch.full((len(group), length + 1), END_ID)
    learn = torch.zeros(len(group), length, dtype=torch.bool)
    for row, (tokens, wanted) in enumerate(group):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        learn[row, : len(tokens) - 1] = torch.tensor(wanted[1:])
    return Batch(ids, learn)


def batches(corpus: Corpus, tokenizer: Tokenizer, tokens: int, context: int) -> Iterator[Batch]:
    """Batches of about `tokens` token positions, in random order.

    They come in few shapes, because a CPU's matrix kernels are compiled anew for each shape.
    """
    shuffle = random.Random(0).shuffle
    while True:
        shelves: dict[int, list[Example]] = {length: [] for length in LENGTHS if length <= context}
        for example in examples(corpus, tokenizer, CHUNK):
            fitting = [length for length in shelves if len(example[0]) <= length + 1]
            if fitting:
                shelves[fitting[0]].append(example)
        groups = []
        for length, shelf in shelves.items():
            rows = max(1, tokens // length)
            groups += [(shelf[i : i + rows], length) for i in range(0, len(shelf) - rows + 1, rows)]
        shuffle(groups)
        for group, length in groups:
            yield pad(group, length)

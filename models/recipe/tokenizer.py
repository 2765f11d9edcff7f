"""The family's tokenizer: byte-level BPE with every digit a token of its own.

Text is split as llama.cpp's pre-tokenizer "smollm" does: digits singly, then the GPT-2 pattern.
"""

import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import Conversation, Corpus

VOCAB = 1536
BOS, END, SYSTEM, USER, ASSISTANT = SPECIAL = ["<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
BOS_ID, END_ID = 0, 1
ROLE_IDS = {"system": 2, "user": 3, "assistant": 4}

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}<|system|>"
    "{% elif message['role'] == 'assistant' %}<|assistant|>"
    "{% else %}<|user|>{% endif %}"
    "{% if message['content'] %}{{ message['content'] }}{% endif %}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train(path: str, conversations: int = 60_000) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    corpus = Corpus(seed=7)
    text = (words for _ in range(conversations) for _, words in corpus.conversation())
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(path)
    return tokenizer


def encode_prompt(tokenizer: Tokenizer, turns: Conversation) -> list[int]:
    """What the chat template makes of these turns, with the generation prompt at the end."""
    ids = [BOS_ID]
    for role, words in turns:
        ids += [ROLE_IDS[role], *tokenizer.encode(words).ids, END_ID]
    return ids + [ROLE_IDS["assistant"]]


if __name__ == "__main__":
    train(sys.argv[1])

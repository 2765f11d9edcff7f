"""Score GGUF files on the held-out questions, greedily, from the weights as the files hold them.

    python evaluate.py heldout.jsonl ../headgate-4m.gguf [more files] [--show 20] [--json scores.json]
"""

import argparse
import json
from collections import defaultdict

import gguf
import torch
from tokenizers import Tokenizer

from export import tensor_name
from model import Config, Llama
from tokenizer import END_ID, encode_prompt

STORY = 200  # tokens a story may have
SLACK = 8  # tokens by which other replies may be longer than the answer expected
GROUP = 8192  # prompt tokens taken at a time


def read(path: str) -> Llama:
    """The model in a GGUF file, dequantised to float32."""
    reader = gguf.GGUFReader(path)
    value = lambda key: reader.fields[f"llama.{key}"].contents()
    model = Llama(Config(
        vocab=value("vocab_size"), width=value("embedding_length"), layers=value("block_count"),
        heads=value("attention.head_count"), kv_heads=value("attention.head_count_kv"), hidden=value("feed_forward_length"),
        context=value("context_length"), rope_base=value("rope.freq_base"), eps=value("attention.layer_norm_rms_epsilon")))
    held = {t.name: torch.tensor(gguf.quants.dequantize(t.data, t.tensor_type)) for t in reader.tensors}
    model.load_state_dict({ours: held[tensor_name(ours)] for ours in model.state_dict()})
    return model.eval()


@torch.no_grad()
def greedy(model: Llama, prompts: list[list[int]], longest: list[int]) -> list[list[int]]:
    """The likeliest reply to each prompt, of at most `longest` tokens each.

    Prompts are padded on the right, so none sees another's padding.
    """
    limits = torch.tensor([min(len(p) + n, model.c.context) for p, n in zip(prompts, longest)])
    size = int(limits.max())
    ids = torch.zeros(len(prompts), size, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    ends = torch.tensor([len(p) for p in prompts])
    done = torch.zeros(len(prompts), dtype=torch.bool)
    while not done.all():
        live = (~done).nonzero().flatten()
        hidden = model(ids[live, : int(ends[live].max())])
        best = model.logits(hidden[torch.arange(len(live)), ends[live] - 1]).argmax(-1)
        ids[live, ends[live]] = best
        ends[live] += 1
        done[live] = (best == END_ID) | (ends[live] >= limits[live])
    return [ids[row, len(p) : ends[row]].tolist() for row, p in enumerate(prompts)]


def right(entry: dict, reply: str) -> bool:
    if entry["must"] is None:
        return reply == entry["answer"]
    return all(part in reply for part in entry["must"])


def score(path: str, entries: list[dict], tokenizer: Tokenizer, show: int = 0) -> dict:
    """Share of right replies by category, and overall; prints some of the wrong ones.

    Prompts that do not fit in the model's context are left out.
    """
    model = read(path)
    asked = [(encode_prompt(tokenizer, [(m["role"], m["content"]) for m in e["messages"]]), e) for e in entries]
    asked = sorted((a for a in asked if len(a[0]) < model.c.context), key=lambda a: len(a[0]))
    tally = defaultdict(list)
    while asked:
        rows = max(1, GROUP // len(asked[-1][0]))
        group, asked = asked[-rows:], asked[:-rows]
        longest = [STORY if e["category"] == "stories" else len(tokenizer.encode(e["answer"]).ids) + SLACK for _, e in group]
        for (_, entry), ids in zip(group, greedy(model, [prompt for prompt, _ in group], longest)):
            reply = tokenizer.decode([i for i in ids if i != END_ID])
            tally[entry["category"]].append(right(entry, reply))
            if show and not tally[entry["category"]][-1]:
                show -= 1
                print(f"  {entry['messages'][-1]['content']!r}\n    said   {reply!r}\n    wanted {entry['answer']!r}")
    everything = [ok for category, marks in tally.items() if category != "notes" for ok in marks]
    return {"quality": round(sum(everything) / len(everything), 4), "items": len(everything),
            "by_category": {k: round(sum(v) / len(v), 4) for k, v in sorted(tally.items())},
            "items_by_category": {k: len(v) for k, v in sorted(tally.items())}}


def main() -> None:
    a = argparse.ArgumentParser()
    a.add_argument("heldout")
    a.add_argument("files", nargs="+")
    a.add_argument("--tokenizer", default="build/tokenizer.json")
    a.add_argument("--notes", help="a second file of questions, of a category that does not count towards quality")
    a.add_argument("--show", type=int, default=0, help="wrong replies to print per file")
    a.add_argument("--json", help="file to write the scores to")
    o = a.parse_args()
    entries = [json.loads(line) for path in (o.heldout, o.notes) if path for line in open(path)]
    tokenizer = Tokenizer.from_file(o.tokenizer)
    scores = {}
    for path in o.files:
        scores[path.rsplit("/", 1)[-1].removesuffix(".gguf")] = s = score(path, entries, tokenizer, o.show)
        print(f"{path}: {s['quality']:.3f} of {s['items']}  " + "  ".join(f"{k} {v:.2f}" for k, v in s["by_category"].items()))
    if o.json:
        json.dump(scores, open(o.json, "w"), indent=2)


if __name__ == "__main__":
    main()

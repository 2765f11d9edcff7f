"""Train one variant: Muon for the matrices, AdamW for embedding and norms, cosine learning rate.

    python train.py 4m build/4m.pt --steps 9000
    python train.py 1m build/1m-math.pt --start build/1m.pt --task math --steps 5000 --rate 0.005
"""

import argparse
import math
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from batches import batches, learnt_positions
from corpus import MIX_MATH, Corpus
from model import SHAPES, Config, Llama
from notes import Notes
from tokenizer import VOCAB

WARM_UP = 50  # steps


def optimisers(model: Llama, rate: float) -> list[torch.optim.Optimizer]:
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in ids]
    return [torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))]


def save(path: str, model: Llama, tokens: int, minutes: float) -> None:
    torch.save({"config": model.c.__dict__, "weights": model.state_dict(), "tokens": tokens, "minutes": minutes}, path)


def load(path: str, context: int | None = None) -> tuple[Llama, dict]:
    saved = torch.load(path)
    if context:
        saved["config"]["context"] = context
    model = Llama(Config(**saved["config"]))
    model.load_state_dict(saved["weights"])
    return model, saved


def main() -> None:
    a = argparse.ArgumentParser()
    a.add_argument("shape", choices=SHAPES)
    a.add_argument("out", help="checkpoint to write")
    a.add_argument("--start", help="checkpoint to go on from")
    a.add_argument("--task", choices=["all", "math", "notes"], default="all")
    a.add_argument("--tokenizer", default="build/tokenizer.json")
    a.add_argument("--steps", type=int, required=True)
    a.add_argument("--stop", type=int, help="leave off at this step of the schedule")
    a.add_argument("--minutes", type=float, default=1e9, help="end the schedule by then, even if steps remain")
    a.add_argument("--rate", type=float, default=0.004, help="peak; too high, and attention collapses to single tokens")
    a.add_argument("--context", type=int, default=512, help="tokens")
    a.add_argument("--batch", type=int, default=2048, help="token positions per step")
    a.add_argument("--threads", type=int, default=3)
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()

    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    if o.start:
        model, saved = load(o.start, o.context)
    else:
        model, saved = Llama(Config(vocab=VOCAB, context=o.context, **SHAPES[o.shape])), {"tokens": 0, "minutes": 0.0}
    corpora = {"all": Corpus(o.seed), "math": Corpus(o.seed, mix=MIX_MATH), "notes": Notes(o.seed)}
    stream = batches(corpora[o.task], Tokenizer.from_file(o.tokenizer), o.batch, o.context)
    optims = optimisers(model, o.rate)
    print(f"{o.shape}: {model.parameter_count():,} parameters", flush=True)

    begun, seen, recent = time.time(), 0, []
    spent = lambda: (time.time() - begun) / 60
    step, progress = 0, 0.0
    while progress < 1 and step != o.stop:
        progress = max(step / o.steps, spent() / o.minutes)
        scale = min(1, (step + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))
        for optim in optims:
            for group in optim.param_groups:
                group["lr"] = o.rate * scale
        batch = next(stream)
        where, wanted = learnt_positions(batch)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model(batch.ids[:, :-1]).flatten(0, 1)[where]  # (answer tokens, D)
            logits = model.logits(hidden)
        loss = F.cross_entropy(logits.float(), wanted)
        loss.backward()
        recent.append(loss.item())
        seen += batch.ids.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            print(f"step {step:5d}  loss {sum(recent) / len(recent):.4f}  tokens {seen:,}  minutes {spent():.1f}  "
                  f"tokens/s {seen / spent() / 60:.0f}  progress {progress:.2f}", flush=True)
            recent = []
        if step % 200 == 0:
            save(o.out, model, saved["tokens"] + seen, saved["minutes"] + spent())
    save(o.out, model, saved["tokens"] + seen, saved["minutes"] + spent())


if __name__ == "__main__":
    main()

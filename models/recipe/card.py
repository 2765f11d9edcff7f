"""Write ../models.json, and the table of ../README.md, from the exported files and their scores."""

import hashlib
import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader

FAMILY = {  # name: (checkpoint, domain)
    "headgate-0.3m": ("0.3m", "general"), "headgate-1m": ("1m", "general"), "headgate-4m": ("4m", "general"),
    "headgate-4m-q8": ("4m", "general"), "headgate-1m-math": ("1m-math", "arithmetic"),
    "headgate-1m-2k": ("1m-2k", "long-context"),
}
MARK = "<!-- table: written by recipe/card.py -->"
MODELS = Path(__file__).parent.parent


def describe(name: str, build: Path, scores: dict) -> dict:
    path = MODELS / f"{name}.gguf"
    reader = GGUFReader(path)
    value = lambda key: reader.fields[key].contents()
    checkpoint = torch.load(build / f"{FAMILY[name][0]}.pt")
    s = scores[name]
    return {
        "name": name, "file": path.name, "parameters": int(sum(t.n_elements for t in reader.tensors)),
        "precision": {1: "F16", 7: "Q8_0"}[value("general.file_type")], "context_length": value("llama.context_length"),
        "domain": FAMILY[name][1], "quality": s["quality"], "quality_items": s["items"],
        "quality_by_category": s["by_category"], "items_by_category": s["items_by_category"],
        "trained_tokens": checkpoint["tokens"], "trained_minutes": round(checkpoint["minutes"], 1),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size,
    }


def table(models: list[dict]) -> str:
    """Two Markdown tables: the variants, and their scores by category in per cent."""
    lines = ["| variant | parameters | precision | context | domain | file, kB | quality | tokens seen, millions | minutes |",
             "|---|---:|---|---:|---|---:|---:|---:|---:|"]
    for m in models:
        cells = [m["name"], f"{m['parameters']:,}", m["precision"], f"{m['context_length']:,}", m["domain"],
                 f"{m['bytes'] / 1000:,.0f}", f"{m['quality']:.3f}", f"{m['trained_tokens'] / 1e6:.1f}",
                 f"{m['trained_minutes']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    counts: dict[str, int] = {}
    for m in models:
        counts |= m["items_by_category"]
    lines += ["", "| category (items) | " + " | ".join(m["name"].removeprefix("headgate-") for m in models) + " |",
              "|---" + "|---:" * len(models) + "|"]
    for category, items in sorted(counts.items()):
        shares = [m["quality_by_category"].get(category) for m in models]
        cells = ["–" if share is None else f"{100 * share:.0f}" for share in shares]
        lines.append(f"| {category} ({items}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    build = Path(sys.argv[1])
    scores = json.loads((build / "scores.json").read_text())
    models = [describe(name, build, scores) for name in FAMILY]
    (MODELS / "models.json").write_text(json.dumps(models, indent=2) + "\n")
    readme = MODELS / "README.md"
    before, _, after = readme.read_text().split(MARK)
    readme.write_text(before + MARK + "\n" + table(models) + "\n" + MARK + after)


if __name__ == "__main__":
    main()

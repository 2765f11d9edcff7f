#!/bin/sh
# Makes the whole family from its seeds: somewhat over two hours on four cores. Run it in this folder, in a
# Python environment that has requirements.txt installed.
set -eu
mkdir -p build

python tokenizer.py build/tokenizer.json
python train.py 0.3m build/0.3m.pt --steps 3400 --rate 0.012
python train.py 1m build/1m.pt --steps 6650 --stop 5000 --rate 0.01
# The 4m is trained in two rounds; each has its own warm-up and its own decay to almost nothing.
python train.py 4m build/4m-first.pt --steps 4800 --rate 0.004
python train.py 4m build/4m.pt --start build/4m-first.pt --steps 4300 --rate 0.004 --seed 4
# The tuned variants start from the 1m with its schedule run to the end.
python train.py 1m build/1m-long.pt --steps 6650 --rate 0.01
python train.py 1m build/1m-math.pt --start build/1m-long.pt --task math --steps 2900 --rate 0.005 --seed 2
python train.py 1m build/1m-2k.pt --start build/1m-long.pt --task notes --context 2048 --steps 2050 --rate 0.005 --seed 3

for name in 0.3m 1m 4m 1m-math 1m-2k; do
    python export.py "build/$name.pt" "../headgate-$name.gguf" --name "headgate-$name"
done
python export.py build/4m.pt ../headgate-4m-q8.gguf --name headgate-4m-q8 --precision Q8_0

python heldout.py heldout.jsonl build/notes.jsonl
python evaluate.py heldout.jsonl ../*.gguf --notes build/notes.jsonl --json build/scores.json
python card.py build

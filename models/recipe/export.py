"""Write a checkpoint as a GGUF file that llama.cpp loads, tokenizer and chat template included.

    python export.py build/4m.pt ../headgate-4m-q8.gguf --name headgate-4m-q8 --precision Q8_0
"""

import argparse
import json

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType

from tokenizer import BOS_ID, CHAT_TEMPLATE, END_ID, SPECIAL
from train import load

DESCRIPTION = "A tiny demo model of Headgate, trained from scratch on generated text. Not for real use."
FILE_TYPES = {"F16": (Kind.F16, gguf.LlamaFileType.MOSTLY_F16), "Q8_0": (Kind.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0)}
NAMES = {  # ours -> llama.cpp's, within block i
    "attn_norm": "attn_norm", "attn.q": "attn_q", "attn.k": "attn_k", "attn.v": "attn_v", "attn.o": "attn_output",
    "ffn_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}


def tensor_name(ours: str) -> str:
    """`blocks.3.attn.q.weight` -> `blk.3.attn_q.weight`."""
    if ours == "embed.weight":
        return "token_embd.weight"
    if ours == "norm.weight":
        return "output_norm.weight"
    _, i, rest = ours.split(".", 2)
    return f"blk.{i}.{NAMES[rest.removesuffix('.weight')]}.weight"


def add_tokenizer(writer: gguf.GGUFWriter, path: str) -> None:
    model = json.load(open(path))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if t in SPECIAL else TokenType.NORMAL for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(END_ID)
    writer.add_eot_token_id(END_ID)
    writer.add_pad_token_id(END_ID)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def export(checkpoint: str, out: str, name: str, precision: str, tokenizer: str, context: int | None) -> None:
    model, _ = load(checkpoint, context)
    c = model.c
    kind, file_type = FILE_TYPES[precision]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(name)
    writer.add_author("Headgate")
    writer.add_license("apache-2.0")
    writer.add_description(DESCRIPTION)
    writer.add_size_label(f"{model.parameter_count() / 1e6:.1f}M")
    writer.add_languages(["en"])
    writer.add_file_type(file_type)
    writer.add_vocab_size(c.vocab)
    writer.add_context_length(c.context)
    writer.add_embedding_length(c.width)
    writer.add_block_count(c.layers)
    writer.add_feed_forward_length(c.hidden)
    writer.add_head_count(c.heads)
    writer.add_head_count_kv(c.kv_heads)
    writer.add_key_length(c.head_dim)
    writer.add_value_length(c.head_dim)
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_rope_freq_base(c.rope_base)
    writer.add_layer_norm_rms_eps(c.eps)
    add_tokenizer(writer, tokenizer)
    for ours, tensor in model.state_dict().items():
        array = tensor.numpy().astype(np.float32)
        if array.ndim == 1:  # norms stay in full precision
            writer.add_tensor(tensor_name(ours), array)
        else:
            writer.add_tensor(tensor_name(ours), gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("checkpoint")
    a.add_argument("out")
    a.add_argument("--name", required=True)
    a.add_argument("--precision", choices=FILE_TYPES, default="F16")
    a.add_argument("--tokenizer", default="build/tokenizer.json")
    a.add_argument("--context", type=int)
    o = a.parse_args()
    export(o.checkpoint, o.out, o.name, o.precision, o.tokenizer, o.context)

"""A Llama-architecture decoder in plain PyTorch: RMSNorm, RoPE, grouped-query attention, SwiGLU.

Shapes are written as B (sequences), T (tokens per sequence), D (model width), H (query heads),
K (key/value heads), d (width of one head). RoPE turns neighbouring pairs (x0, x1), (x2, x3), ... as
llama.cpp does for this architecture, so weights go into a GGUF file exactly as they were trained.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Dimensions of one variant. Every row length is a multiple of 32, the block size of Q8_0."""

    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    context: int = 512
    rope_base: float = 10_000.0
    eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


SHAPES = {
    "0.3m": dict(width=96, layers=2, heads=3, kv_heads=1, hidden=192),
    "1m": dict(width=128, layers=5, heads=4, kv_heads=2, hidden=288),
    "4m": dict(width=256, layers=6, heads=8, kv_heads=4, hidden=512),
}


def rope_table(positions: int, head_dim: int, base: float) -> Tensor:
    """Unit complex numbers of shape (positions, head_dim / 2): one angle per position and pair."""
    rates = base ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angles = torch.outer(torch.arange(positions).float(), rates)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Apply RoPE to x of shape (B, H, T, d), with table of shape (T, d / 2)."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * table).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.q = nn.Linear(c.width, c.heads * c.head_dim, bias=False)
        self.k = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.v = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.o = nn.Linear(c.heads * c.head_dim, c.width, bias=False)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D); each position sees itself and those before it."""
        split = lambda y: y.unflatten(-1, (-1, self.c.head_dim)).transpose(1, 2)  # (B, heads, T, d)
        q, k, v = rotate(split(self.q(x)), table), rotate(split(self.k(x)), table), split(self.v(x))
        share = self.c.heads // self.c.kv_heads
        k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
        # Written out, since on a CPU this is several times faster for short sequences than the fused kernel.
        scores = q @ k.transpose(-1, -2) * self.c.head_dim**-0.5  # (B, H, T, T)
        hidden = torch.full(scores.shape[-2:], -torch.inf, dtype=scores.dtype).triu(1)
        y = F.softmax(scores + hidden, dim=-1) @ v
        return self.o(y.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.attn_norm = nn.RMSNorm(c.width, eps=c.eps)
        self.attn = Attention(c)
        self.ffn_norm = nn.RMSNorm(c.width, eps=c.eps)
        self.gate = nn.Linear(c.width, c.hidden, bias=False)
        self.up = nn.Linear(c.width, c.hidden, bias=False)
        self.down = nn.Linear(c.hidden, c.width, bias=False)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        x = x + self.attn(self.attn_norm(x), table)
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    """Token ids (B, T) -> final hidden states (B, T, D); `logits` maps those to the vocabulary."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width, eps=c.eps)
        self.register_buffer("table", rope_table(c.context, c.head_dim, c.rope_base), persistent=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                residual = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 if name.startswith("embed") else p.shape[1] ** -0.5)
                if residual:
                    p.data.mul_((2 * c.layers) ** -0.5)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        table = self.table[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, table)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """The embedding is tied: the same (vocab, D) matrix reads tokens in and scores them out."""
        return F.linear(hidden, self.embed.weight)

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

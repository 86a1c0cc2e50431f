"""Plain PyTorch modules as people write them, with the names of published ones, beside which generated source is timed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv1D(nn.Module):
    """A linear map whose weight is stored [in, out], as GPT-2's are."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, out) * 0.02)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.weight.shape[1])
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(shape)


class GPT2Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(width, 3 * width)
        self.c_proj = Conv1D(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(n, t, width))


class GPT2MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Conv1D(width, 4 * width)
        self.c_proj = Conv1D(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class GPT2Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = GPT2Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = GPT2MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2Transformer(nn.Module):
    def __init__(self, vocabulary: int, positions: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(positions, width)
        self.h = nn.ModuleList(GPT2Block(width, heads) for _ in range(depth))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2(nn.Module):
    """GPT-2 with a head of the embedding's weights."""

    def __init__(
        self, vocabulary: int = 50257, positions: int = 1024, width: int = 768, depth: int = 12, heads: int = 12
    ) -> None:
        super().__init__()
        self.transformer = GPT2Transformer(vocabulary, positions, width, depth, heads)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.lm_head(self.transformer(ids))


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class LlamaAttention(nn.Module):
    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        size = width // heads
        self.heads, self.kv_heads, self.size = heads, kv_heads, size
        self.q_proj = nn.Linear(width, heads * size, bias=False)
        self.k_proj = nn.Linear(width, kv_heads * size, bias=False)
        self.v_proj = nn.Linear(width, kv_heads * size, bias=False)
        self.o_proj = nn.Linear(heads * size, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n, t, width = x.shape
        q = rotated(self.q_proj(x).view(n, t, self.heads, self.size).transpose(1, 2), cos, sin)
        k = rotated(self.k_proj(x).view(n, t, self.kv_heads, self.size).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(n, t, self.kv_heads, self.size).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).reshape(n, t, width))


class LlamaMLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(width, eps=1e-6)
        self.self_attn = LlamaAttention(width, heads, kv_heads)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=1e-6)
        self.mlp = LlamaMLP(width, hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class LlamaModel(nn.Module):
    def __init__(self, vocabulary: int, width: int, hidden: int, depth: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        size = width // heads
        self.frequencies: Tensor
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(LlamaLayer(width, hidden, heads, kv_heads) for _ in range(depth))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        frequencies = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        angles = torch.arange(ids.shape[1], dtype=torch.float32)[:, None] * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin, x = angles.cos(), angles.sin(), self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)


class Llama(nn.Module):
    """Llama: RMSNorm, rotary positions, grouped queries, SwiGLU."""

    def __init__(
        self,
        vocabulary: int = 211,
        width: int = 64,
        hidden: int = 176,
        depth: int = 2,
        heads: int = 8,
        kv_heads: int = 2,
    ) -> None:
        super().__init__()
        self.model = LlamaModel(vocabulary, width, hidden, depth, heads, kv_heads)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.lm_head(self.model(ids))


class Classifier(nn.Module):
    """A text by the last states of an LSTM in both directions, with the names of specs/lstm.dlspec."""

    def __init__(self, vocabulary: int = 1000, width: int = 32, hidden: int = 48, classes: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.encoder = nn.LSTM(width, hidden, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, words: Tensor) -> Tensor:
        _, (h, _) = self.encoder(self.embedding(words))
        return self.head(torch.cat([h[0], h[1]], dim=1))


class _Residual(nn.Module):
    def __init__(self, channels: int, width: int, time: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, channels, eps=1e-6), nn.GroupNorm(32, width, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, width)
        if channels != width:
            self.conv_shortcut = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(32, width, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        places = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (each(places)[:, None] for each in (self.to_q, self.to_k, self.to_v))
        seen = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + seen.transpose(1, 2).reshape(x.shape)


class _Resampled(nn.Module):
    def __init__(self, width: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv = nn.Conv2d(width, width, 3, stride=2) if halves else nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.halves else F.interpolate(x, scale_factor=2))


class _Stage(nn.Module):
    def __init__(self, channels: list[int], width: int, time: int, attentive: bool, resampled: str) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Residual(each, width, time) for each in channels)
        if attentive:
            self.attentions = nn.ModuleList(_Attention(width) for _ in channels)
        if resampled:
            setattr(self, resampled, nn.ModuleList([_Resampled(width, resampled == "downsamplers")]))

    def step(self, place: int, x: Tensor, time: Tensor) -> Tensor:
        x = self.resnets[place](x, time)
        return self.attentions[place](x) if hasattr(self, "attentions") else x


class UNet(nn.Module):
    """The U-Net of google/ddpm-cifar10-32, with the names of diffusers' UNet2DModel."""

    def __init__(self, widths: tuple[int, ...] = (128, 256, 256, 256), depth: int = 2) -> None:
        super().__init__()
        time, last = 4 * widths[0], len(widths) - 1
        self.half = widths[0] // 2
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(widths[0], time), "linear_2": nn.Linear(time, time)})
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        channels, kept = widths[0], [widths[0]]
        for index, width in enumerate(widths):
            resampled = "downsamplers" if index < last else ""
            self.down_blocks.append(_Stage([channels] + [width] * (depth - 1), width, time, index == 1, resampled))
            channels, kept = width, kept + [width] * (depth + (index < last))
        self.mid_block = _Stage([channels] * 2, channels, time, False, "")
        self.mid_block.attentions = nn.ModuleList([_Attention(channels)])
        for index, width in enumerate(reversed(widths)):
            entering = [(channels if place == 0 else width) + kept.pop() for place in range(depth + 1)]
            resampled = "upsamplers" if index < last else ""
            self.up_blocks.append(_Stage(entering, width, time, last - index == 1, resampled))
            channels = width
        self.conv_norm_out = nn.GroupNorm(32, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, sample: Tensor, timestep: Tensor) -> Tensor:
        places = torch.arange(self.half, device=sample.device) / (self.half - 1)
        angles = timestep[:, None] * torch.exp(-math.log(10_000) * places)
        time = self.time_embedding["linear_1"](torch.cat([angles.sin(), angles.cos()], 1))
        time = self.time_embedding["linear_2"](F.silu(time))
        h = self.conv_in(sample)
        kept = [h]
        for stage in self.down_blocks:
            for place in range(len(stage.resnets)):
                h = stage.step(place, h, time)
                kept.append(h)
            if hasattr(stage, "downsamplers"):
                h = stage.downsamplers[0](h)
                kept.append(h)
        middle = self.mid_block
        h = middle.resnets[1](middle.attentions[0](middle.resnets[0](h, time)), time)
        for stage in self.up_blocks:
            for place in range(len(stage.resnets)):
                h = stage.step(place, torch.cat([h, kept.pop()], 1), time)
            if hasattr(stage, "upsamplers"):
                h = stage.upsamplers[0](h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))

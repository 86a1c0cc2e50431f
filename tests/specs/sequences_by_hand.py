"""Networks for sound and text written by hand in PyTorch, with the names of the spec: those without recorded outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class _WhisperAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, given: torch.Tensor, causal: bool = False) -> torch.Tensor:
        def parted(tokens: torch.Tensor) -> torch.Tensor:
            return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = parted(self.q_proj(x)), parted(self.k_proj(given)), parted(self.v_proj(given))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), float("-inf"))
        return self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class _WhisperLayer(nn.Module):
    def __init__(self, width: int, heads: int, decodes: bool) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = _WhisperAttention(width, heads), nn.LayerNorm(width)
        if decodes:
            self.encoder_attn, self.encoder_attn_layer_norm = _WhisperAttention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, encoded: torch.Tensor | None = None) -> torch.Tensor:
        y = self.self_attn_layer_norm(x)
        x = x + self.self_attn(y, y, encoded is not None)
        if encoded is not None:
            x = x + self.encoder_attn(self.encoder_attn_layer_norm(x), encoded)
        return x + self.fc2(nn.functional.gelu(self.fc1(self.final_layer_norm(x))))


class _Whisper(nn.Module):
    def __init__(self, width: int = 24, depth: int = 2, heads: int = 2, vocabulary: int = 99) -> None:
        super().__init__()
        encoder, decoder = nn.Module(), nn.Module()
        encoder.conv1, encoder.conv2 = (
            nn.Conv1d(80, width, 3, padding=1),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
        )
        encoder.embed_positions, decoder.embed_positions = nn.Embedding(30, width), nn.Embedding(20, width)
        decoder.embed_tokens = nn.Embedding(vocabulary, width)
        for part in (encoder, decoder):
            part.layers = nn.ModuleList(_WhisperLayer(width, heads, part is decoder) for _ in range(depth))
            part.layer_norm = nn.LayerNorm(width)
        self.model = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
        self.proj_out = nn.Linear(width, vocabulary, bias=False)
        self.proj_out.weight = decoder.embed_tokens.weight

    def forward(self, features: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        encoder, decoder = self.model["encoder"], self.model["decoder"]
        sound = nn.functional.gelu(encoder.conv2(nn.functional.gelu(encoder.conv1(features)))).transpose(1, 2)
        sound = sound + encoder.embed_positions.weight[: sound.shape[1]]
        for layer in encoder.layers:
            sound = layer(sound)
        sound = encoder.layer_norm(sound)
        words = decoder.embed_tokens(ids) + decoder.embed_positions.weight[: ids.shape[1]]
        for layer in decoder.layers:
            words = layer(words, sound)
        return self.proj_out(decoder.layer_norm(words)), sound


class _ConformerAttention(nn.Module):
    def __init__(self, width: int, heads: int, relative: bool) -> None:
        super().__init__()
        self.heads, self.relative = heads, relative
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(width, width) for _ in range(4))
        if relative:
            self.linear_pos = nn.Linear(width, width, bias=False)
            self.pos_bias_u = nn.Parameter(torch.randn(heads, width // heads))
            self.pos_bias_v = nn.Parameter(torch.randn(heads, width // heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def parted(tokens: torch.Tensor) -> torch.Tensor:
            return tokens.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

        steps, width = x.shape[1:]
        size = width // self.heads
        if self.relative:
            q, k = parted(self.linear_q(x)), parted(self.linear_k(x))
            apart = torch.arange(steps)[:, None] - torch.arange(steps)
            angles = apart[..., None] / 10_000 ** (torch.arange(0, width, 2) / width)
            waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
            places = self.linear_pos(waves).unflatten(-1, (self.heads, -1))
            scores = (q + self.pos_bias_u[:, None]) @ k.transpose(-2, -1)
            scores = scores + torch.einsum("bhid,ijhd->bhij", q + self.pos_bias_v[:, None], places)
        else:
            angles = torch.arange(steps)[:, None] / 10_000 ** (torch.arange(0, size, 2) / size)
            turns = torch.polar(torch.ones_like(angles), angles)
            first, second = parted(x).chunk(2, -1)
            turned = torch.view_as_real(torch.complex(first, second) * turns)
            turned = torch.cat([turned[..., 0], turned[..., 1]], -1).transpose(1, 2).flatten(2)
            q, k = parted(self.linear_q(turned)), parted(self.linear_k(turned))
            scores = q @ k.transpose(-2, -1)
        seen = (scores / size**0.5).softmax(-1) @ parted(self.linear_v(x))
        return self.linear_out(seen.transpose(1, 2).flatten(2))


class _ConformerLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, kernel: int, relative: bool) -> None:
        super().__init__()
        for name in ("ffn1_layer_norm", "self_attn_layer_norm", "ffn2_layer_norm", "final_layer_norm"):
            setattr(self, name, nn.LayerNorm(width))
        for name in ("ffn1", "ffn2"):
            maps = {"intermediate_dense": nn.Linear(width, hidden), "output_dense": nn.Linear(hidden, width)}
            setattr(self, name, nn.ModuleDict(maps))
        self.self_attn = _ConformerAttention(width, heads, relative)
        self.conv_module = nn.ModuleDict({
            "layer_norm": nn.LayerNorm(width),
            "pointwise_conv1": nn.Conv1d(width, 2 * width, 1, bias=False),
            "depthwise_conv": nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width, bias=False),
            "batch_norm": nn.BatchNorm1d(width),
            "pointwise_conv2": nn.Conv1d(width, width, 1, bias=False),
        })  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gelu, conv = nn.functional.gelu, self.conv_module

        def forwarded(part: Any, y: torch.Tensor) -> torch.Tensor:
            return part["output_dense"](gelu(part["intermediate_dense"](y)))

        x = x + forwarded(self.ffn1, self.ffn1_layer_norm(x)) / 2
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        y = nn.functional.glu(conv["pointwise_conv1"](conv["layer_norm"](x).transpose(1, 2)), 1)
        y = conv["pointwise_conv2"](gelu(conv["batch_norm"](conv["depthwise_conv"](y))))
        x = x + y.transpose(1, 2)
        x = x + forwarded(self.ffn2, self.ffn2_layer_norm(x)) / 2
        return self.final_layer_norm(x)


class _Conformer(nn.Module):
    def __init__(self, relative: bool = False) -> None:
        super().__init__()
        layers = [
            nn.ModuleDict({"conv": nn.Conv1d(taken, 32, kernel, stride), "layer_norm": nn.LayerNorm(32)})
            for taken, kernel, stride in ((1, 10, 5), (32, 3, 2), (32, 3, 2))
        ]
        self.feature_extractor = nn.ModuleDict({"conv_layers": nn.ModuleList(layers)})
        self.feature_projection = nn.ModuleDict({"layer_norm": nn.LayerNorm(32), "projection": nn.Linear(32, 48)})
        stack = nn.ModuleList(_ConformerLayer(48, 4, 96, 7, relative) for _ in range(2))
        self.encoder = nn.ModuleDict({"layers": stack, "layer_norm": nn.LayerNorm(48)})

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        x = sound[:, None]
        for layer in self.feature_extractor["conv_layers"]:
            x = layer["layer_norm"](layer["conv"](x).transpose(1, 2)).transpose(1, 2)
            x = nn.functional.gelu(x)
        x = self.feature_projection["projection"](self.feature_projection["layer_norm"](x.transpose(1, 2)))
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.encoder["layer_norm"](x)


class _LSTMClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 32, padding_idx=0)
        self.encoder = nn.LSTM(32, 48, bidirectional=True, batch_first=True)
        self.head = nn.Linear(96, 2)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        _, (h, _) = self.encoder(self.embedding(words))
        return self.head(torch.cat([h[0], h[1]], dim=1))


def _transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


SEQUENCES: dict[str, Callable[[], nn.Module]] = {
    "transformer:TransformerEncoder": _transformer,
    "whisper:WhisperTiny": _Whisper,
    "conformer:ConformerTiny": _Conformer,
    "conformer:RelativeConformerTiny": lambda: _Conformer(relative=True),
    "lstm:LSTMClassifier": _LSTMClassifier,
}

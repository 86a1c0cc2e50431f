"""Networks for images written by hand in PyTorch, with the names of the spec: those of which no outputs are recorded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from oracle import torchvision_models
from torch import nn

Run: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class _BlurPool(nn.Module):
    """A blur of 1 3 3 1 along either axis, one after the other, at every second place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 3, 3, 1]) / 8
        self.register_buffer("filt", torch.outer(row, row).repeat(channels, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for axis in (2, 3):
            rows = x.movedim(axis, 0)
            rows = torch.cat([rows[[1]], rows, rows[[-2, -3]]])
            x = ((rows[:-3] + 3 * rows[1:-2] + 3 * rows[2:-1] + rows[3:]) / 8)[::2].movedim(0, axis)
        return x


def _antialiased_densenet() -> nn.Module:
    """Torchvision's, with other pools."""
    model = torchvision_models().densenet121(weights=None)
    for name, module in model.features.named_children():
        if name.startswith("transition"):
            module.pool = _BlurPool(module.conv.out_channels)
    # The maximum has no weights: together with the convolution's activation, the names stay.
    model.features.relu0 = nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=1, padding=1))
    model.features.pool0 = _BlurPool(64)
    return model


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False), nn.ReLU(),
            nn.Linear(channels // 16, channels, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


def _gated_densenet() -> nn.Module:
    """Torchvision's, with a gate on what each of its layers adds."""
    model: nn.Module = torchvision_models().densenet121(weights=None)
    for name, module in list(model.named_modules()):
        if "denselayer" in name.rpartition(".")[2]:
            module.add_module("se", _SqueezeExcite(32))
            module.register_forward_hook(lambda module, _, added: module.se(added))
    return model


def _gated_inception() -> nn.Module:
    """Torchvision's, with a gate on what flows into each of its modules."""
    model: nn.Module = torchvision_models().inception_v3(weights=None, aux_logits=False, init_weights=False)
    channels = {"5b": 192, "5c": 256, "5d": 288, "6a": 288, "7b": 1280, "7c": 2048}
    for name, module in model.named_children():
        if name.startswith("Mixed_"):
            module.add_module("SELayer", _SqueezeExcite(channels.get(name.removeprefix("Mixed_"), 768)))
            module.register_forward_pre_hook(lambda module, given: module.SELayer(*given))
    return model


def _alexnet() -> nn.Module:
    def normed() -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2))

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 96, 11, 4), act1=normed(), conv2=nn.Conv2d(96, 256, 5, 1, 2, groups=2), act2=normed(),
            conv3=nn.Conv2d(256, 384, 3, 1, 1), act3=nn.ReLU(), conv4=nn.Conv2d(384, 384, 3, 1, 1, groups=2),
            act4=nn.ReLU(), conv5=nn.Conv2d(384, 256, 3, 1, 1, groups=2), act5=nn.ReLU(), pool=nn.MaxPool2d(3, 2),
            flat=nn.Flatten(), fc6=nn.Linear(9216, 4096), act6=nn.ReLU(), fc7=nn.Linear(4096, 4096), act7=nn.ReLU(),
            fc8=nn.Linear(4096, 1000),
        )
    )  # fmt: skip


class _Scale(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels) + 0.5)
        self.beta = nn.Parameter(torch.rand(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.transpose(1, -1) * self.gamma + self.beta).transpose(1, -1)


def _put(owner: nn.Module, name: str, module: nn.Module) -> nn.Module:
    owner.add_module(name, module)
    return module


def _dense_unet(
    root: nn.Module, dims: int, channels: int, depths: list[int], growth: int, factors: list[Any], widths: list[int],
    prefix: str = "", joined: bool = False,
) -> Run:  # fmt: skip
    """Puts the layers of a DenseUNet into a module, and gives what runs them."""
    conv, norm, max_pool, mean_pool = (
        (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d),
        (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.AvgPool3d),
    )[dims - 2]

    def normed(owner: nn.Module, name: str, width: int) -> list[nn.Module]:
        scale = _Scale(width)
        return [_put(owner, f"{name}bn", norm(width, eps=1.1e-5)), _put(owner, f"{name}scale", scale), nn.ReLU()]

    first = [
        _put(root, f"{prefix}conv1", conv(channels, 96, 7, 2, 3, bias=False)),
        *normed(root, f"{prefix}conv1_", 96),
    ]
    width, stages, deepest = 96, list[tuple[list[nn.Sequential], nn.Sequential]](), len(depths) - 1
    for i, depth in enumerate(depths):
        layers: list[nn.Sequential] = []
        for j in range(depth):
            unit = _put(root, f"{prefix}conv{i + 2}_{j + 1}", nn.Module())
            narrow = _put(unit, "x1", conv(width, 4 * growth, 1, bias=False))
            grown = _put(unit, "x2", conv(4 * growth, growth, 3, padding=1, bias=False))
            layers.append(nn.Sequential(*normed(unit, "x1_", width), narrow, *normed(unit, "x2_", 4 * growth), grown))
            width += growth
        end = _put(root, f"{prefix}conv{i + 2}_blk", nn.Module())
        parts = normed(end, "", width)
        if i < deepest:
            parts += [_put(end, "conv", conv(width, width // 2, 1, bias=False)), mean_pool(factors[deepest - 1 - i])]
            skipped, width = width, width // 2
        stages.append((layers, nn.Sequential(*parts)))
    line = _put(root, "line0", conv(skipped, width, 1)) if joined else nn.Identity()
    ups: list[nn.Sequential] = []
    for i, wide in enumerate(widths):
        up = _put(root, f"{prefix}conv_up{i}", conv(width, wide, 3, padding=1))
        ups.append(nn.Sequential(up, _put(root, f"{prefix}bn_up{i}", norm(wide, eps=1e-3)), nn.ReLU()))
        width = wide

    def run(x: torch.Tensor) -> torch.Tensor:
        h = nn.Sequential(*first)(x)
        skips = [h]
        h = max_pool(3, 2, 1)(h)
        for i, (layers, end) in enumerate(stages):
            for layer in layers:
                h = torch.cat([h, layer(h)], 1)
            if i < deepest:
                skips.insert(0, h)
            h = end(h)
        skips[0] = line(skips[0])
        for i, up in enumerate(ups):
            h = nn.Upsample(scale_factor=factors[i])(h)
            h = up(h + skips[i] if joined and i < len(skips) else h)
        return h

    return run


class _DenseUNet2D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.run = _dense_unet(self, 2, 3, [1] * 4, 48, [2] * 5, [120, 144, 96, 96, 64], joined=True)
        self.dense167classifer = nn.Conv2d(64, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.dense167classifer(self.run(image))


class _HDenseUNet(nn.Module):
    """As it is published, for one volume: slices are joined one by one."""

    def __init__(self) -> None:
        super().__init__()
        factors = [(1, 2, 2)] * 3 + [(2, 2, 2)] * 2
        self.flat = _dense_unet(self, 2, 3, [1] * 4, 48, [2] * 5, [768, 384, 96, 96, 64])
        self.dense167classifer = nn.Conv2d(64, 3, 1)
        self.deep = _dense_unet(self, 3, 4, [1] * 4, 32, factors, [504, 224, 192, 96, 64], prefix="3d")
        self.fianl_conv = nn.Conv3d(64, 64, 3, padding=1)
        self.final_bn = nn.BatchNorm3d(64, eps=1e-3)
        self.add_module("2d3dclassifer", nn.Conv3d(64, 3, 1))

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        (slices,) = volume[:, 0]
        last = len(slices) - 1
        features: list[torch.Tensor] = []
        scores: list[torch.Tensor] = []
        for i in range(len(slices)):
            flat = self.flat(slices[[max(i - 1, 0), i, min(i + 1, last)]][None])
            features.append(flat)
            scores.append(self.dense167classifer(flat))
        deep = self.deep(torch.cat([volume, torch.stack(scores, 2) * 250], 1))
        final = torch.relu(self.final_bn(self.fianl_conv(deep + torch.stack(features, 2))))
        return self.get_submodule("2d3dclassifer")(final)


class _YOLOUnit(nn.Sequential):
    def __init__(self, inputs: int, width: int, kernel: int = 1, stride: int = 1) -> None:
        conv = nn.Conv2d(inputs, width, kernel, stride, kernel // 2, bias=False)
        super().__init__(OrderedDict(conv=conv, bn=nn.BatchNorm2d(width, eps=1e-3), act=nn.SiLU()))


class _YOLOStage(nn.Module):
    def __init__(self, inputs: int, width: int, depth: int, adds: bool) -> None:
        super().__init__()
        half = width // 2
        self.adds = adds
        self.cv1 = _YOLOUnit(inputs, width)
        self.m = nn.ModuleList(
            nn.Sequential(OrderedDict(cv1=_YOLOUnit(half, half, 3), cv2=_YOLOUnit(half, half, 3))) for _ in range(depth)
        )
        self.cv2 = _YOLOUnit(half * (2 + depth), width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for step in self.m:
            parts.append(step(parts[-1]) + (parts[-1] if self.adds else 0))
        return self.cv2(torch.cat(parts, 1))


class _YOLOPools(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = _YOLOUnit(width, width // 2), _YOLOUnit(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv1(x)
        wider = [nn.functional.max_pool2d(y, size, 1, size // 2) for size in (5, 9, 13)]
        return self.cv2(torch.cat([y, *wider], 1))


class _YOLOHead(nn.Module):
    """A side of a box is a mean of whole distances, and its place is counted up one by one."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()

        def branches(width: int, outputs: int) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(_YOLOUnit(w, width, 3), _YOLOUnit(width, width, 3), nn.Conv2d(width, outputs, 1))
                for w in widths
            )

        self.cv2, self.cv3 = branches(64, 64), branches(80, 80)
        self.dfl = nn.Sequential(OrderedDict(conv=nn.Conv2d(16, 1, 1, bias=False)))
        self.dfl.conv.weight.data[:] = torch.arange(16.0).reshape(1, 16, 1, 1)

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        found: list[torch.Tensor] = []
        for index, level in enumerate(levels):
            stride, (rows, columns) = 8 * 2**index, level.shape[2:]
            shares = self.cv2[index](level).reshape(len(level), 4, 16, rows, columns).softmax(2)
            sides = (shares * torch.arange(16.0).reshape(16, 1, 1)).sum(2)
            x, y = torch.arange(columns) + 0.5, (torch.arange(rows) + 0.5)[:, None]
            left, top, right, bottom = x - sides[:, 0], y - sides[:, 1], x + sides[:, 2], y + sides[:, 3]
            box = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1) * stride
            found.append(torch.cat([box, torch.sigmoid(self.cv3[index](level))], 1).flatten(2))
        return torch.cat(found, 2)


class _YOLOv8n(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        unit, stage, idle = _YOLOUnit, _YOLOStage, nn.Identity
        self.model = nn.ModuleList([
            unit(3, 16, 3, 2), unit(16, 32, 3, 2), stage(32, 32, 1, True), unit(32, 64, 3, 2), stage(64, 64, 2, True),
            unit(64, 128, 3, 2), stage(128, 128, 2, True), unit(128, 256, 3, 2), stage(256, 256, 1, True), _YOLOPools(256),
            idle(), idle(), stage(384, 128, 1, False), idle(), idle(), stage(192, 64, 1, False), unit(64, 64, 3, 2),
            idle(), stage(192, 128, 1, False), unit(128, 128, 3, 2), idle(), stage(384, 256, 1, False),
            _YOLOHead((64, 128, 256)),
        ])  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m, kept = self.model, dict[int, torch.Tensor]()
        for index in range(10):
            x = kept[index] = m[index](x)
        double = nn.Upsample(scale_factor=2)
        kept[12] = m[12](torch.cat([double(x), kept[6]], 1))
        kept[15] = m[15](torch.cat([double(kept[12]), kept[4]], 1))
        kept[18] = m[18](torch.cat([m[16](kept[15]), kept[12]], 1))
        kept[21] = m[21](torch.cat([m[19](kept[18]), kept[9]], 1))
        return m[22]([kept[15], kept[18], kept[21]])


IMAGES: dict[str, Callable[[], nn.Module]] = {
    "antialiased:AntialiasedDenseNet121": _antialiased_densenet,
    "se_resnet:SEDenseNet121": _gated_densenet,
    "se_resnet:SEInceptionV3": _gated_inception,
    "alexnet:AlexNetTwoStreams": _alexnet,
    "yolov8:YOLOv8n": _YOLOv8n,
    "hdenseunet:DenseUNet2D": _DenseUNet2D,
    "hdenseunet:HDenseUNet": _HDenseUNet,
}

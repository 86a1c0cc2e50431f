"""All networks written by hand in PyTorch, for those of which no outputs are recorded: with the names of the spec, and the
settings of `light.LIGHT`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from generative_by_hand import GENERATIVE
from images_by_hand import IMAGES
from sequences_by_hand import SEQUENCES
from torch import nn


def _lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)
    )  # fmt: skip


class _Pyramid(nn.Module):
    """cv2.pyrDown and cv2.pyrUp, by their description: rows and columns are smoothed one after the other."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        coarse = image
        for axis in (2, 3):
            rows = coarse.movedim(axis, 0)
            rows = torch.cat([rows[[2, 1]], rows, rows[[-2, -3]]])
            rows = (rows[:-4] + 4 * rows[1:-3] + 6 * rows[2:-2] + 4 * rows[3:-1] + rows[4:]) / 16
            coarse = rows[::2].movedim(0, axis)
        for axis in (2, 3):
            rows = coarse.movedim(axis, 0)
            rows = torch.cat([rows[[1]], rows, rows[[-1]]])
            even, odd = (rows[:-2] + 6 * rows[1:-1] + rows[2:]) / 8, (rows[1:-1] + rows[2:]) / 2
            coarse = torch.stack([even, odd], 1).flatten(0, 1).movedim(0, axis)
        return image - coarse, coarse


class _NaiveInception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        inner = nn.Module()
        for position, width, kernel in ((0, 64, 1), (2, 128, 3), (4, 32, 5)):
            inner.add_module(str(position), nn.Conv2d(192, width, kernel, padding=kernel // 2))
        self.add_module("0", inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        convolutions = self.get_submodule("0").children()
        return torch.cat([*(torch.relu(conv(x)) for conv in convolutions), nn.functional.max_pool2d(x, 3, 1, 1)], 1)


class _Embedder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.PReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.PReLU(), nn.MaxPool2d(2)
        )  # fmt: skip
        self.fc = nn.Sequential(
            nn.Linear(1024, 256), nn.PReLU(), nn.Linear(256, 256), nn.PReLU(), nn.Linear(256, 2)
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.convnet(x).flatten(1))


class _Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding_net = _Embedder()

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return (self.embedding_net(first) - self.embedding_net(second)).norm(dim=1)


class _GraphConvolution(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, width, bias=False)
        self.bias = nn.Parameter(torch.randn(width))


class _GCN(nn.Module):
    """Kipf and Welling's formula with the whole matrix; of edges the matrix is counted up first."""

    def __init__(self, edges: bool = False) -> None:
        super().__init__()
        self.conv1, self.conv2 = _GraphConvolution(12, 16), _GraphConvolution(16, 7)
        self.edges = edges

    def forward(self, features: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        whole = torch.eye(len(features))
        if self.edges:
            for source, target in graph.T.tolist():
                whole[target, source] += 1
        else:
            whole = whole + graph.float()
        degrees = torch.diag(whole.sum(1) ** -0.5)
        for layer, last in ((self.conv1, False), (self.conv2, True)):
            features = degrees @ whole @ degrees @ layer.lin(features) + layer.bias
            features = features if last else torch.relu(features)
        return features


BY_HAND: dict[str, Callable[[], nn.Module]] = {
    "lenet:LeNet5": _lenet,
    "mlp:MLP": _mlp,
    "inception_module:NaiveInceptionModule": _NaiveInception,
    "lapgan:Pyramid": _Pyramid,
    "siamese:Embedder": _Embedder,
    "siamese:Siamese": _Siamese,
    "gcn:GCN": _GCN,
    "gcn:EdgeGCN": lambda: _GCN(edges=True),
    **IMAGES,
    **SEQUENCES,
    **GENERATIVE,
}


SMALL: Mapping[str, Mapping[str, int]] = {
    "transformer:TransformerEncoder": {"N": 2, "T": 5},
    "gcn:GCN": {"V": 9},
    "gcn:EdgeGCN": {"V": 9, "E": 21},
    "yolov8:YOLOv8n": {"N": 1, "H": 64, "W": 96},
    "conformer:ConformerTiny": {"N": 2, "S": 333},
    "conformer:RelativeConformerTiny": {"N": 2, "S": 333},
    "whisper:WhisperTiny": {"N": 2, "F": 37, "T": 7},
    "antialiased:AntialiasedDenseNet121": {"N": 1, "H": 65, "W": 83},
    "se_resnet:SEDenseNet121": {"N": 1, "H": 65, "W": 83},
    "hdenseunet:DenseUNet2D": {"N": 1, "H": 64, "W": 96},
    "hdenseunet:HDenseUNet": {"N": 1, "S": 4, "H": 32, "W": 64},
    "pix2pix:Discriminator": {"N": 2, "H": 64, "W": 96},
    "se_resnet:SEInceptionV3": {"N": 1, "H": 107, "W": 111},
}

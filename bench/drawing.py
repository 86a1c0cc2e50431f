"""Pictures as whole processes, from text to SVG, beside torchview for ResNet-152."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from bench.timing import ROOT, interleaved, process, processor, ratio, table

# NVAE has 10,302 boxes of operators in full depth, of few kinds.
NETWORKS = (
    ("specs/resnet.dlspec", "ResNet152"), ("specs/densenet.dlspec", "DenseNet201"), ("specs/stylegan.dlspec", "Generator"),
    ("specs/nvae.dlspec", "NVAE"),
)  # fmt: skip

# Every turn is another one, so that nothing folds: 2,000 operators in a row, and as many in branches.
LARGE = """
network Row(image: float[N, 16, H = 32, W = 32], turns = 500) -> out {
    image -> for i in range(turns) { Conv(16 + i, 3, padding=1) -> BatchNorm -> ReLU -> Dropout }
}
network Branches(image: float[N, 16, H = 32, W = 32], turns = 200) -> out {
    image
    -> for i in range(turns) {
        Concat {
            Conv(16 + i, 3, padding=1) -> BatchNorm -> ReLU -> Conv(16, 3, padding=1)
          | Conv(8, 1) -> ReLU
          | Identity -> Conv(4, 1)
        }
        -> Conv(16, 1)
    }
}
"""

# The whole process as ours: the imports, the model, its graph, Graphviz' layout of it, SVG. `dot` is asked for where it is
# on PATH, otherwise the Graphviz in the wheel of pygraphviz.
TORCHVIEW = """
import shutil, sys
from bench.peers import torchvision_models
from torchview import draw_graph
model = torchvision_models().resnet152(weights=None)
source = draw_graph(model, input_size=(1, 3, 224, 224), device="meta").visual_graph
if shutil.which("dot"):
    content = source.pipe(format="svg")
else:
    from pygraphviz import AGraph
    content = AGraph(string=source.source).draw(format="svg", prog="dot")
open(sys.argv[1], "wb").write(content)
"""


def run(folder: Path, runs: int, turns: int | None = None) -> dict[str, float]:
    """Prints the comparison and returns its figures by name: seconds, those of the processor, and the ratio against
    torchview.

    ``turns`` makes the large networks smaller.
    """
    large = folder / "large.dlspec"
    large.write_text(LARGE)
    smaller = [] if turns is None else ["--set", f"turns={turns}"]
    large_networks = [(str(large), name, smaller) for name in ("Row", "Branches")]
    tasks = {
        network: process(["-m", "dlspec", "draw", f"{path}:{network}", "-o", str(folder / f"{network}.svg"), *options])
        for path, network, options in (*((*each, []) for each in NETWORKS), *large_networks)
    }
    times = interleaved(tasks, max(1, runs // 3))
    worked = {name: processor(task) for name, task in tasks.items()}
    rows = [(name, f"{times[name]:.2f} s", f"{worked[name]:.2f} s", "") for name in tasks]
    figures = times | {f"{name}, processor": seconds for name, seconds in worked.items()}
    if importlib.util.find_spec("torchview") is not None and importlib.util.find_spec("torchvision") is not None:
        peer = _torchview(folder / "torchview.svg")
        shown = peer
        if isinstance(peer, float):
            figures["ResNet152 / torchview"] = times["ResNet152"] / peer
            shown = f"{peer:.1f} s ({ratio(times['ResNet152'], peer)})"
        rows[0] = (*rows[0][:-1], str(shown))
    table("Full depth to SVG, whole process", ("", "dlspec", "processor", "torchview"), rows)
    return figures


def _torchview(out: Path, limit: float = 120.0) -> float | str:
    """The seconds of one run, or that it took longer than the limit."""
    start = time.perf_counter()
    try:
        subprocess.run(
            [sys.executable, "-c", TORCHVIEW, str(out)], check=True, timeout=limit, capture_output=True, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        return f"more than {limit:.0f} s"
    return time.perf_counter() - start

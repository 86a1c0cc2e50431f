"""From text to counts in a started process, beside torchinfo and torch's FlopCounterMode on the meta device."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers import torchvision_models
from bench.timing import ROOT, interleaved, milliseconds, ratio, table

NETWORKS = (
    ("specs/resnet.dlspec", "ResNet50", "resnet50"),
    ("specs/densenet.dlspec", "DenseNet201", "densenet201"),
    ("specs/llama.dlspec", "Llama3_8B", ""),
)
"""Each with the name of torchvision's model, where it has one."""

LARGE = """
block Residual(width) {
    Add {
        Conv(width, 3, padding=1, bias=false) -> BatchNorm -> ReLU -> Conv(width, 3, padding=1, bias=false) -> BatchNorm
      | Identity
    }
    -> ReLU
}
network Large(image: float[N, 16, H = 32, W = 32], depth = 12_500) -> out { image -> repeat depth { Residual(16) } }
"""  # 8 nodes a block


def counts(path: str, network: str) -> dict[str, Any]:
    """The totals of a network, from its text."""
    from dlspec.analyses.report import totals
    from dlspec.limits import Limits
    from dlspec.pipeline import elaborate, open_program

    graph = elaborate(open_program(path, limits=Limits(steps=100_000_000)), network)
    return dict(totals(graph, graph.default_sizes()))


def _peers(name: str) -> dict[str, Callable[[], object]]:
    """The other counters of a torchvision model that are installed."""
    if not name or importlib.util.find_spec("torchvision") is None:
        return {}
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = getattr(torchvision_models(), name)(weights=None).eval()
    with torch.device("meta"):
        meta = getattr(torchvision_models(), name)(weights=None).eval()
        image = torch.empty(1, 3, 224, 224)

    def flop_counter() -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            meta(image)
        return counter.get_total_flops() // 2

    peers: dict[str, Callable[[], object]] = {"FlopCounter": flop_counter}
    if importlib.util.find_spec("torchinfo") is not None:
        import torchinfo

        peers["torchinfo"] = lambda: torchinfo.summary(model, (1, 3, 224, 224), verbose=0)
    return peers


def run(folder: Path, runs: int, depth: int = 12_500) -> dict[str, float]:
    """Prints the comparison and returns its figures by name: seconds, and ratios against the peers."""
    figures: dict[str, float] = {}
    rows: list[tuple[str, ...]] = []
    for path, network, name in NETWORKS:
        peers = _peers(name)
        if "FlopCounter" in peers and peers["FlopCounter"]() != counts(path, network)["macs"]:
            raise ValueError(f"dlspec and FlopCounter count other MACs for {network}")
        times = interleaved({"dlspec": lambda p=path, n=network: counts(p, n), **peers}, runs, warmup=2)
        figures[network] = times["dlspec"]
        rows.append(
            (network, milliseconds(times["dlspec"]), *(_beside(times, peer) for peer in ("FlopCounter", "torchinfo")))
        )
        if "FlopCounter" in times:
            figures[f"{network} / FlopCounter"] = times["dlspec"] / times["FlopCounter"]
    table("From text to counts, started process", ("", "dlspec", "FlopCounter (meta)", "torchinfo"), rows)

    sizes = (depth // 10, depth, 10 * depth)
    large: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    for size in sizes:
        (folder / f"{size}.dlspec").write_text(LARGE.replace("12_500", str(size)))
    for _ in range(max(1, runs // 5)):
        for size in sizes:
            large[size].append(_alone(folder / f"{size}.dlspec"))
    seconds = {size: median(time for time, _ in measured) for size, measured in large.items()}
    peaks = {size: max(peak for _, peak in measured) for size, measured in large.items()}
    lines = [(f"{8 * size:,}", seconds[size], seconds[size] / (8 * size) * 1e6, peaks[size]) for size in sizes]
    table(
        "The same for a spec that expands to many nodes, each in a process of its own",
        ("nodes", "time", "per node", "peak memory"),
        [(nodes, f"{time:.2f} s", f"{each:.0f} us", f"{peak:,.0f} MB") for nodes, time, each, peak in lines],
    )
    figures["large"], figures["largest"], figures["largest, MB"] = seconds[depth], seconds[sizes[2]], peaks[sizes[2]]
    figures["growth"] = seconds[sizes[2]] / seconds[depth] / (sizes[2] / depth)
    return figures


_ALONE = """
import re, sys, time
from pathlib import Path
from bench.counting import NETWORKS, counts
counts(*NETWORKS[0][:2])
start = time.perf_counter()
counts(sys.argv[1], "Large")
seconds = time.perf_counter() - start
status = Path("/proc/self/status").read_text()  # getrusage tells the peak of the process that began this one, too
print(seconds, int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1024 / 1e6)
"""


def _alone(path: Path) -> tuple[float, float]:
    """Seconds to count a network in a started process, and the megabytes that the process took at most."""
    command = [sys.executable, "-c", _ALONE, str(path)]
    printed = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    seconds, peak = map(float, printed.split())
    return seconds, peak


def _beside(times: dict[str, float], peer: str) -> str:
    return f"{milliseconds(times[peer])} ({ratio(times['dlspec'], times[peer])})" if peer in times else "-"

"""From text to counts in a started process, beside torchinfo and torch's FlopCounterMode on the meta device."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.peers import torchvision_models
from bench.timing import interleaved, milliseconds, ratio, table

NETWORKS = (("specs/resnet.dlspec", "ResNet50", "resnet50"), ("specs/densenet.dlspec", "DenseNet201", "densenet201"))

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
    from dlspec.pipeline import elaborate, open_program

    graph = elaborate(open_program(path), network)
    return dict(totals(graph, graph.default_sizes()))


def _peers(name: str) -> dict[str, Callable[[], object]]:
    """The other counters of a torchvision model that are installed."""
    if importlib.util.find_spec("torchvision") is None:
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

    sizes = (depth // 10, depth)
    for size in sizes:
        (folder / f"{size}.dlspec").write_text(LARGE.replace("12_500", str(size)))
    large = interleaved(
        {str(size): lambda s=size: counts(str(folder / f"{s}.dlspec"), "Large") for size in sizes}, max(1, runs // 5), 0
    )
    table(
        "The same for a spec that expands to many nodes",
        ("nodes", "time", "per node"),
        [(f"{8 * s:,}", f"{large[str(s)]:.2f} s", f"{large[str(s)] / (8 * s) * 1e6:.0f} us") for s in sizes],
    )
    figures["large"] = large[str(depth)]
    figures["growth"] = large[str(sizes[1])] / large[str(sizes[0])] / (sizes[1] / sizes[0])
    return figures


def _beside(times: dict[str, float], peer: str) -> str:
    return f"{milliseconds(times[peer])} ({ratio(times['dlspec'], times[peer])})" if peer in times else "not installed"

"""Transformers, a recurrent network and the U-Net of diffusion: generated PyTorch beside modules written by hand, and ONNX
at opset 24 beside 22 and beside torch.onnx.export of the same modules. One thread."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import torchvision_models
from bench.timing import ROOT, interleaved, milliseconds, ratio, table


@dataclass(frozen=True)
class Case:
    """A shipped network with the module that people have, and what flows in: ``length`` tokens, an image, or an image of a
    ``size`` with the step that its noise is of."""

    title: str
    spec: str
    reference: Callable[[], Any]
    length: int | None = None
    size: int | None = None


def _vit() -> Any:
    return torchvision_models().vit_b_16(weights=None)


def _gpt2() -> Any:
    from bench.references import GPT2

    return GPT2()


def _llama() -> Any:
    from bench.references import Llama

    return Llama()


def _classifier() -> Any:
    from bench.references import Classifier

    return Classifier()


def _unet() -> Any:
    from bench.references import UNet

    return UNet()


CASES = (
    Case("ViT-B/16", "vit:ViT_B_16", _vit),
    Case("GPT-2 small, T = 128", "gpt2:GPT2Small", _gpt2, 128),
    Case("GPT-2 small, T = 512", "gpt2:GPT2Small", _gpt2, 512),
    Case("GPT-2 small, T = 1024", "gpt2:GPT2Small", _gpt2, 1024),
    Case("tiny Llama, T = 128", "llama:LlamaTiny", _llama, 128),
    Case("LSTM, both directions, T = 128", "lstm:LSTMClassifier", _classifier, 128),
    Case("U-Net of diffusion, 32x32", "ddpm:DDPMCifar10", _unet, size=32),
)
OPSETS = (24, 22)


def _graph(case: Case) -> Any:
    from dlspec.pipeline import elaborate, open_program

    file, network = case.spec.split(":")
    return elaborate(open_program(ROOT / "specs" / f"{file}.dlspec"), network)


def _inputs(case: Case) -> tuple[Any, ...]:
    import torch

    if case.size is not None:
        return torch.randn(1, 3, case.size, case.size), torch.tensor([321])
    return (torch.randn(1, 3, 224, 224) if case.length is None else (torch.arange(case.length)[None] * 7919) % 211,)


def _modules(case: Case, graph: Any) -> tuple[Any, Any]:
    """The generated module and the reference with its weights, which are to give the same."""
    import torch

    from dlspec.backends.torch.live import to_module
    from dlspec.backends.weights import draw

    ours = to_module(graph, {path: draw(each, 0) for path, each in graph.parameters.items()}).eval()
    theirs = case.reference().eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    given = _inputs(case)
    with torch.no_grad():
        difference = (ours(*given) - theirs(*given)).abs().max().item()
    if not difference < 1e-3:
        raise ValueError(f"{case.title}: the two compute something else: {difference}")
    return ours, theirs


def run(folder: Path, runs: int) -> dict[str, float]:
    """Prints both comparisons; the figures by name are ratios, ours to the other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _eager(runs) | _onnx(folder, runs)
    finally:
        torch.set_num_threads(threads)


def _eager(runs: int) -> dict[str, float]:
    import torch

    rows: list[tuple[str, ...]] = []
    ratios: dict[str, float] = {}
    for case in CASES:
        ours, theirs = _modules(case, _graph(case))
        given = _inputs(case)
        with torch.no_grad():
            times = interleaved({"ours": lambda: ours(*given), "theirs": lambda: theirs(*given)}, runs, warmup=2)  # noqa: B023
        ratios[case.title] = times["ours"] / times["theirs"]
        rows.append((case.title, milliseconds(times["ours"]), milliseconds(times["theirs"]),
                     ratio(times["ours"], times["theirs"])))  # fmt: skip
    table("Networks of today in eager PyTorch, one thread", ("", "generated", "by hand", "ratio (aim 1.05)"), rows)
    return ratios


def _onnx(folder: Path, runs: int) -> dict[str, float]:
    import torch

    from dlspec.backends.onnx.model import build
    from dlspec.backends.onnx.write import to_bytes
    from dlspec.backends.weights import draw

    rows: list[tuple[str, ...]] = []
    ratios: dict[str, float] = {}
    exports = importlib.util.find_spec("onnxscript") is not None
    for case in CASES:
        graph, given = _graph(case), _inputs(case)
        weights = {path: draw(each, 0) for path, each in graph.parameters.items()}
        sessions: dict[str, Callable[[], object]] = {}
        nodes: list[str] = []
        for opset in OPSETS:
            model = build(graph, opset=opset, weights=weights)
            path = folder / f"ours-{opset}.onnx"
            path.write_bytes(to_bytes(model))
            sessions[str(opset)] = _session(path, given)
            count = ratios[f"{case.title}, nodes per attention at opset {opset}"] = _per_attention(path, graph)
            nodes.append(str(count) if count else "-")
        if exports:
            _, theirs = _modules(case, graph)
            out = folder / "theirs.onnx"
            torch.onnx.export(theirs, given, str(out), dynamo=True, verbose=False)
            sessions["torch"] = _session(out, given)
        times = interleaved(sessions, runs, warmup=2)
        ratios[f"{case.title}, opset 24 to 22"] = times["24"] / times["22"]
        row = [case.title, milliseconds(times["24"]), milliseconds(times["22"]), ratio(times["24"], times["22"])]
        if exports:
            ratios[f"{case.title}, opset 24 to torch.onnx.export"] = times["24"] / times["torch"]
            row += [milliseconds(times["torch"]), ratio(times["24"], times["torch"])]
        rows.append((*row, " and ".join(nodes)))
    heads = ["", "opset 24", "opset 22", "ratio (aim 1.0)"]
    heads += ["torch.onnx.export", "ratio (aim 1.0)"] * exports
    table("The same in ONNX Runtime, one thread", [*heads, "nodes per attention"], rows)
    return ratios


def _session(path: Path, given: tuple[Any, ...]) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    feed = {each.name: tensor.numpy() for each, tensor in zip(session.get_inputs(), given, strict=True)}
    return lambda: session.run(None, feed)


def _per_attention(path: Path, graph: Any) -> int:
    """The most nodes that an attention became, with its projections where the layer has them."""
    import onnx

    named = [node.name for node in onnx.load(path, load_external_data=False).graph.node]
    attentions = [node.name for node in graph.nodes if "Attention" in type(node.op).__name__]
    counts = (sum(name == each or name.startswith(f"{each}/") for name in named) for each in attentions)
    return max(counts, default=0)

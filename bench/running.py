"""Generated PyTorch beside torchvision's own, our ONNX beside that of torch.onnx.export, and the whole export."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.peers import torchvision_models
from bench.timing import interleaved, milliseconds, process, ratio, table

NETWORKS = (
    ("specs/resnet.dlspec", "ResNet50", "resnet50", {}),
    ("specs/densenet.dlspec", "DenseNet121", "densenet121", {}),
    ("specs/googlenet.dlspec", "GoogLeNet", "googlenet", {"aux_logits": True, "init_weights": False}),
    ("specs/mobilenet_v2.dlspec", "MobileNetV2", "mobilenet_v2", {}),
)
EXPORTED = (NETWORKS[0], ("specs/densenet.dlspec", "DenseNet201", "densenet201", {}))
TRAINED = 8  # images of a training step

EXPORT = """
import torch
from bench.peers import torchvision_models
model = getattr(torchvision_models(), "{name}")(weights=None).eval()
image = torch.randn({batch}, 3, 224, 224)
torch.onnx.export(model, (image,), "{out}", dynamo=True, dynamic_shapes={dynamic})
"""
OPEN = "({0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)"


def _graph(path: str, network: str) -> Any:
    from dlspec.pipeline import elaborate, open_program

    return elaborate(open_program(path), network)


def _both(path: str, network: str, name: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """The generated module and torchvision's, with the same weights."""
    from dlspec.backends.torch.live import to_module

    ours = to_module(_graph(path, network))
    theirs = getattr(torchvision_models(), name)(weights=None, **settings)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def _forward(module: Any, image: Any) -> Callable[[], object]:
    import torch

    def run() -> object:
        with torch.no_grad():
            return module(image)

    return run


def _step(module: Any, image: Any) -> Callable[[], object]:
    """Forward, backward and SGD, without what only training outputs add."""
    import torch

    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)

    def run() -> None:
        result = module(image)
        logits = result[0] if isinstance(result, tuple) else result
        optimizer.zero_grad(set_to_none=True)
        logits.square().mean().backward()
        optimizer.step()

    return run


def eager(runs: int, networks: Sequence[tuple[str, str, str, dict[str, Any]]] = NETWORKS) -> dict[str, float]:
    """Eager forward and one training step, generated against torchvision's."""
    import torch

    rows: list[tuple[str, ...]] = []
    ratios: dict[str, float] = {}
    for path, network, name, settings in networks:
        ours, theirs = _both(path, network, name, settings)
        for title, batch, make in (
            ("forward", 1, _forward),
            ("forward", 16, _forward),
            ("training step", TRAINED, _step),
        ):
            image = torch.randn(batch, 3, 224, 224)
            for module in (ours, theirs):
                module.train(make is _step)
            tasks = {"dlspec": make(ours, image), "torchvision": make(theirs, image)}
            times = interleaved(tasks, runs * 3 if batch == 1 else runs)
            ratios[f"{network}, {title}, batch {batch}"] = times["dlspec"] / times["torchvision"]
            rows.append((f"{network}, {title}, batch {batch}", milliseconds(times["dlspec"]),
                         milliseconds(times["torchvision"]), ratio(times["dlspec"], times["torchvision"])))  # fmt: skip
    table("Eager PyTorch on the CPU", ("", "generated", "torchvision", "ratio (aim 1.02)"), rows)
    return ratios


def optimized(runs: int) -> dict[str, float]:
    """`--optimize`, BatchNorm folded and channels last, at batch 16 against torchvision's eager form."""
    import torch

    from dlspec.backends.torch.live import to_module
    from dlspec.backends.weights import draw
    from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights

    path, network, name, settings = NETWORKS[0]
    graph = _graph(path, network)
    weights = {key: draw(parameter) for key, parameter in graph.parameters.items()}
    folded = to_module(fold_batch_norm(graph), folded_weights(graph, weights), channels_last=True).eval()
    _, theirs = _both(path, network, name, settings)
    image = torch.randn(16, 3, 224, 224)
    with torch.no_grad():
        difference = (folded(image) - theirs.eval()(image)).abs().max().item()
    if not difference < 1e-4:
        raise ValueError(f"the optimised form computes something else: {difference}")
    times = interleaved({"dlspec": _forward(folded, image), "torchvision": _forward(theirs, image)}, runs)
    table(
        "ResNet-50 optimised, batch 16, on the CPU",
        ("", "dlspec --optimize", "torchvision eager", "times as fast (aim 1.3)"),
        [("forward", milliseconds(times["dlspec"]), milliseconds(times["torchvision"]),
          ratio(times["torchvision"], times["dlspec"]))],
    )  # fmt: skip
    return {"optimised": times["torchvision"] / times["dlspec"]}


def onnx(folder: Path, runs: int) -> dict[str, float]:
    """The whole export as processes, and the latency of what both wrote, in ONNX Runtime."""
    import numpy as np

    if importlib.util.find_spec("onnxscript") is None:
        print("\ntorch.onnx.export needs onnxscript, which is not installed: left out")
        return {}
    figures: dict[str, float] = {}
    exports: list[tuple[str, ...]] = []
    latencies: list[tuple[str, ...]] = []
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    for (path, network, name, _), aim in zip(EXPORTED, (15, 25), strict=True):
        ours, theirs = folder / f"{network}.onnx", folder / f"{name}.onnx"
        compile_ = ["-m", "dlspec", "compile", f"{path}:{network}", "-o", str(ours)]
        fixed = ["--size", "N=1", "--size", "H=224", "--size", "W=224"]
        forms = (
            ("fixed sizes", [*compile_, *fixed], EXPORT.format(name=name, out=theirs, batch=1, dynamic=None)),
            ("open sizes", compile_, EXPORT.format(name=name, out=theirs, batch=2, dynamic=OPEN)),
        )
        for title, mine, other in forms:
            tasks = {"dlspec": process(mine), "torch": process(["-c", other])}
            times = interleaved(tasks, max(1, runs // 3), warmup=0)
            speedup = times["torch"] / times["dlspec"]
            figures[f"export {network}, {title}"] = speedup
            exports.append((f"{network}, {title}", f"{times['dlspec']:.2f} s", f"{times['torch']:.1f} s",
                            f"{speedup:.0f} (aim {aim})"))  # fmt: skip
            latency = interleaved(
                {"dlspec": _session(ours, image), "torch": _session(theirs, image)}, runs * 8, warmup=3
            )
            figures[f"latency {network}, {title}"] = latency["dlspec"] / latency["torch"]
            latencies.append((f"{network}, {title}", milliseconds(latency["dlspec"]), milliseconds(latency["torch"]),
                              ratio(latency["dlspec"], latency["torch"])))  # fmt: skip
    table("From a spec to .onnx, whole process", ("", "dlspec", "torch.onnx.export", "times as fast"), exports)
    title = "In ONNX Runtime, batch 1, one thread"
    table(title, ("", "dlspec", "torch.onnx.export", "ratio (aim 1.00)"), latencies)
    return figures


def _session(path: Path, image: Any) -> Callable[[], object]:
    """One thread: two pools of threads would take the cores from each other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    feed = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feed)


def cuda(runs: int) -> dict[str, float]:
    """The same on a GPU: eager, compiled, and with CUDA graphs. Says so where there is none."""
    import torch

    if not torch.cuda.is_available():
        print("\nno CUDA device: the GPU table is left out")
        return {}
    path, network, name, settings = NETWORKS[0]
    ours, theirs = (module.eval().cuda() for module in _both(path, network, name, settings))
    image = torch.randn(16, 3, 224, 224, device="cuda")
    rows: list[tuple[str, ...]] = []
    for title, mode in (("eager", None), ("torch.compile", "default"), ("CUDA graphs", "reduce-overhead")):
        both = [
            module if mode is None else torch.compile(module, mode=mode, fullgraph=True) for module in (ours, theirs)
        ]

        def timed(module: Any) -> Callable[[], object]:
            forward = _forward(module, image)

            def run() -> None:
                forward()
                torch.cuda.synchronize()

            return run

        times = interleaved({"dlspec": timed(both[0]), "torchvision": timed(both[1])}, runs * 5, warmup=5)
        rows.append((title, milliseconds(times["dlspec"]), milliseconds(times["torchvision"]),
                     ratio(times["dlspec"], times["torchvision"])))  # fmt: skip
    table(f"ResNet-50, batch 16, on {torch.cuda.get_device_name()}", ("", "generated", "torchvision", "ratio"), rows)
    return {row[0]: float(row[3]) for row in rows}


def run(folder: Path, runs: int) -> dict[str, float]:
    """Prints all of them and returns their ratios by name."""
    figures = eager(runs) | optimized(runs) | onnx(folder, runs) | cuda(runs)
    figures["eager, geometric mean"] = statistics.geometric_mean(
        [value for key, value in figures.items() if "forward" in key or "step" in key]
    )
    return figures

"""`dlspec compile` of ResNet-50 against the floor, as whole processes and in a started one, and of a Llama whose weights lie
in a second file; `dlspec check` against lark."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.timing import interleaved, milliseconds, process, ratio, table

if TYPE_CHECKING:
    from bench.floor import Piece
    from dlspec.backends.onnx.model import OnnxModel
    from dlspec.ir.node import Parameter

SPEC = "specs/resnet.dlspec"


def plan_of(model: OnnxModel, written: bytes) -> list[Piece]:
    """What the floor does to write the same bytes as ``written``. Raises ValueError where it would not."""
    from dlspec.backends.onnx import wire

    plan: list[Piece] = []
    end = len(written)
    for weight in reversed(model.weights):
        size = weight.elements * weight.dtype.size
        head = wire.tensor_head(weight.path, weight.shape, wire.ELEMENT[weight.dtype]) + wire.header(9, size)
        head = wire.header(5, len(head) + size) + head
        plan = [head, *_drawn(weight, model.seed), *plan]
        end -= len(head) + size
    return [written[:end], *plan]


def _drawn(weight: Parameter, seed: int) -> Iterator[Piece]:
    """How the floor draws a weight. Raises ValueError where it does not."""
    from dlspec.backends.weights import PIECE

    init = dict(weight.init.arguments)
    for index in range(max(1, -(-weight.elements // PIECE))):
        count = min(PIECE, weight.elements - index * PIECE)
        digest = blake2b(f"{seed}/{index}/{weight.path}".encode(), digest_size=16).digest()
        number = int.from_bytes(digest, "little")
        match weight.init.kind:
            case "constant":
                yield float(init["val"]), count
            case "uniform":
                yield number, count, float(init["a"]), float(init["b"])
            case "normal":
                yield number, count, float(init["mean"]), float(init["std"]), "normal"
            case kind:
                raise ValueError(f"the floor does not draw {kind}")


def _in_two(folder: Path, runs: int, depth: int) -> dict[str, float]:
    """The same of a Llama whose weights lie in a second file: the times of both, and how much larger the files are than the
    weights."""
    from bench import floor
    from dlspec.backends.onnx.model import build
    from dlspec.backends.onnx.write import write
    from dlspec.pipeline import elaborate, open_program

    ours, theirs = folder / "llama.onnx", folder / "floor.onnx"
    data = folder / "llama.onnx.data"
    sizes = {"vocabulary": 8000, "width": 1024, "hidden": 2816, "depth": depth, "heads": 16, "kv_heads": 4}

    def model() -> OnnxModel:
        return build(elaborate(open_program("specs/llama.dlspec"), "Llama", sizes))

    def compile_here() -> None:
        ours.unlink(missing_ok=True)
        data.unlink(missing_ok=True)
        write(model(), ours, limit=0)

    def floor_here() -> None:
        theirs.unlink(missing_ok=True)
        floor.write(plan, theirs)

    compile_here()
    made = model()
    plan: list[Piece] = []
    places = {tensor.name: tensor.external_data for tensor in onnx_graph(ours).initializer}
    done = 0
    for weight in made.weights:
        if places[weight.path]:
            begin = int(next(entry.value for entry in places[weight.path] if entry.key == "offset"))
            plan += [bytes(begin - done), *_drawn(weight, made.seed)]
            done = begin + weight.bytes
    floor_here()
    if data.read_bytes() != theirs.read_bytes():
        raise ValueError("the floor wrote other bytes than dlspec")
    size = (ours.stat().st_size + data.stat().st_size) / sum(weight.bytes for weight in made.weights)
    return interleaved({"dlspec": compile_here, "floor": floor_here}, runs, warmup=1) | {"size": size}


def onnx_graph(path: Path) -> Any:
    """The graph of a model, without the weights of its second file."""
    onnx: Any = import_module("onnx")  # it has few types
    return onnx.load_model(str(path), load_external_data=False).graph


def run(folder: Path, runs: int, depth: int = 8) -> dict[str, float]:
    """Prints the comparison and returns its ratios by name."""
    from bench import floor
    from dlspec.backends.onnx.model import build
    from dlspec.backends.onnx.write import write
    from dlspec.pipeline import elaborate, open_program

    ours, theirs, plan_file = folder / "ours.onnx", folder / "floor.onnx", folder / "floor.plan"

    # Both write a file that is not there yet: freeing an old one takes longer than drawing its weights.
    def compile_here() -> None:
        ours.unlink(missing_ok=True)
        write(build(elaborate(open_program(SPEC), "ResNet50")), ours)

    def floor_here() -> None:
        theirs.unlink(missing_ok=True)
        floor.write(plan, theirs)

    compile_here()
    plan = plan_of(build(elaborate(open_program(SPEC), "ResNet50")), ours.read_bytes())
    plan_file.write_bytes(pickle.dumps(plan))
    floor_here()
    if ours.read_bytes() != theirs.read_bytes():
        raise ValueError("the floor wrote other bytes than dlspec")

    started = interleaved({"dlspec": compile_here, "floor": floor_here}, runs, warmup=2)
    whole = interleaved(
        {
            "dlspec": process(["-m", "dlspec", "compile", f"{SPEC}:ResNet50", "-o", str(ours)]),
            "floor": process(["bench/floor.py", str(plan_file), str(theirs)]),
        },
        runs,
    )
    two = _in_two(folder, max(1, runs // 2), depth)
    check = interleaved(
        {
            "dlspec": process(["-m", "dlspec", "check", "specs/lenet.dlspec"]),
            "lark": process(["-c", "import lark"]),
        },
        2 * runs,
    )
    ratios = {
        "compile, started process": started["dlspec"] / started["floor"],
        "compile, whole process": whole["dlspec"] / whole["floor"],
        "compile, external data": two["dlspec"] / two["floor"],
        "size, external data": two["size"],
        "check, whole process": check["dlspec"] / check["lark"],
    }
    table(
        "ResNet-50 (102 MB) and a Llama (427 MB) to ONNX, and checking LeNet-5",
        ("", "dlspec", "beside it", "ratio", "aim"),
        [
            ("compile, started process; the floor", milliseconds(started["dlspec"]), milliseconds(started["floor"]),
             ratio(started["dlspec"], started["floor"]), "1.5"),
            ("compile, whole process; the floor", milliseconds(whole["dlspec"]), milliseconds(whole["floor"]),
             ratio(whole["dlspec"], whole["floor"]), "2.5"),
            ("Llama, external data; the floor", milliseconds(two["dlspec"]), milliseconds(two["floor"]),
             ratio(two["dlspec"], two["floor"]), "1.2"),
            ("its files; its weights", f"{two['size']:.5f}", "1", f"{two['size']:.5f}", "1.2"),
            ("check, whole process; import lark", milliseconds(check["dlspec"]), milliseconds(check["lark"]),
             ratio(check["dlspec"], check["lark"]), "3.0"),
        ],
    )  # fmt: skip
    return ratios

"""`dlspec compile` of ResNet-50 against the floor, as whole processes and in a started one; `dlspec check` against lark."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import interleaved, milliseconds, process, ratio, table

if TYPE_CHECKING:
    from bench.floor import Piece
    from dlspec.backends.onnx.model import OnnxModel

SPEC = "specs/resnet.dlspec"


def plan_of(model: OnnxModel, written: bytes) -> list[Piece]:
    """What the floor does to write the same bytes as ``written``. Raises ValueError where it would not."""
    from dlspec.backends.onnx import wire
    from dlspec.backends.weights import PIECE

    plan: list[Piece] = []
    end = len(written)
    for weight in reversed(model.weights):
        size = weight.elements * weight.dtype.size
        head = wire.tensor_head(weight.path, weight.shape, wire.ELEMENT[weight.dtype]) + wire.header(9, size)
        head = wire.header(5, len(head) + size) + head
        init = dict(weight.init.arguments)
        pieces: list[Piece] = [head]
        for index in range(max(1, -(-weight.elements // PIECE))):
            count = min(PIECE, weight.elements - index * PIECE)
            if weight.init.kind == "constant":
                pieces.append((float(init["val"]), count))
            elif weight.init.kind == "uniform":
                digest = blake2b(f"{model.seed}/{index}/{weight.path}".encode(), digest_size=16).digest()
                pieces.append((int.from_bytes(digest, "little"), count, float(init["a"]), float(init["b"])))
            else:
                raise ValueError(f"the floor does not draw {weight.init.kind}")
        plan = pieces + plan
        end -= len(head) + size
    return [written[:end], *plan]


def run(folder: Path, runs: int) -> dict[str, float]:
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
        "check, whole process": check["dlspec"] / check["lark"],
    }
    table(
        "ResNet-50 to ONNX (102 MB), and checking LeNet-5",
        ("", "dlspec", "beside it", "ratio", "aim"),
        [
            ("compile, started process; the floor", milliseconds(started["dlspec"]), milliseconds(started["floor"]),
             ratio(started["dlspec"], started["floor"]), "1.5"),
            ("compile, whole process; the floor", milliseconds(whole["dlspec"]), milliseconds(whole["floor"]),
             ratio(whole["dlspec"], whole["floor"]), "2.5"),
            ("check, whole process; import lark", milliseconds(check["dlspec"]), milliseconds(check["lark"]),
             ratio(check["dlspec"], check["lark"]), "3.0"),
        ],
    )  # fmt: skip
    return ratios

"""What is needed to go on with a run exactly where it was."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from dlspec.backends.files import write_bytes
from dlspec.backends.runtime import RunError
from dlspec.backends.torch import source
from dlspec.backends.torch.live import require_torch
from dlspec.objectives.training import Training

_FORMAT = 1
_KEPT = 2
"""Checkpoints that remain; older ones are removed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``form`` stands for what is computed, see `form_of`; ``trainer`` is the state of the generated trainer; ``taken``
    counts the batches of the run until then; ``options`` are those of the call that matter for its steps."""

    name: str
    form: str
    trainer: dict[str, Any]
    taken: int
    examples: int
    options: dict[str, Any]


def folder_of(out: Path) -> Path:
    return out / "checkpoints"


def save(out: Path, steps: int, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, whole, and then removes those before the last ones. Raises `OSError`."""
    content = {field: getattr(checkpoint, field) for field in Checkpoint.__slots__}
    buffer = BytesIO()
    require_torch().save({"format": _FORMAT, **content}, buffer)
    folder = folder_of(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{steps}.pt", buffer.getvalue())
    for path in saved(out)[:-_KEPT]:
        path.unlink(missing_ok=True)


def saved(out: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    folder = folder_of(out)
    paths = [path for path in folder.glob("*.pt") if re.fullmatch(r"\d+", path.stem)] if folder.is_dir() else []
    return sorted(paths, key=lambda path: int(path.stem))


def load(path: Path, training: Training) -> Checkpoint:
    """Reads a checkpoint of a `train`. Raises `RunError`, also where the `train` computes something else by now."""
    torch = require_torch()
    try:
        with torch.serialization.safe_globals([_counter()]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunError(f"there is no file {path}") from None
    except Exception as error:  # pickle and zip raise what they like
        raise RunError(f"{path} is not a checkpoint that can be read: {str(error).splitlines()[0]}") from None
    fields = cast("dict[str, Any]", content if isinstance(content, dict) else {})
    if fields.pop("format", None) != _FORMAT or fields.keys() != set(Checkpoint.__slots__):
        raise RunError(f"{path} is not a checkpoint of this version of dlspec")
    found = Checkpoint(**fields)
    if found.name != training.name:
        raise RunError(f"{path} is a checkpoint of `{found.name}`, not of `{training.name}`")
    if found.form != form_of(training):
        hint = "the spec and its settings have to be those of the run that goes on"
        raise RunError(f"{path} was made by another form of `{training.name}`", hint)
    return found


def form_of(training: Training) -> str:
    """A digest of the steps of a `train`: of its PyTorch source without comments, and without what is only looked at."""
    tree = ast.parse(source(training))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            spoken = ast.get_docstring(node, clean=False) is not None
            kept = node.body[1:] if spoken else node.body
            node.body = [part for part in kept if not (isinstance(part, ast.FunctionDef) and part.name == "measure")]
    return blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


def _counter() -> Any:
    from collections import Counter  # MultiStepLR keeps its milestones so

    return Counter

"""What is needed to go on with a run exactly where it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

from dlspec.backends.archives import open_archive
from dlspec.backends.files import write_bytes
from dlspec.backends.runtime import RunError
from dlspec.backends.torch import source
from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import first_line
from dlspec.objectives.training import Training
from dlspec.training.shards import divided

_FORMAT = 3
BEST = "best.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``form`` stands for what is computed, see `form_of`; ``trainer`` is the state of the generated trainer; ``taken``
    counts the batches of the run until then; ``data`` stands for all examples, see `fingerprint`; ``options`` are those of
    the call that matter for its steps; ``classes`` are those of the data that have names, in the order of their numbers."""

    name: str
    form: str
    trainer: dict[str, Any]
    taken: int
    examples: int
    data: str
    options: dict[str, Any]
    classes: dict[str, list[str]]


def folder_of(out: Path) -> Path:
    return out / "checkpoints"


def place(out: Path, steps: int) -> Path:
    """The checkpoint after so many steps."""
    return folder_of(out) / f"{steps}.pt"


def save(out: Path, name: str, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, whole. Raises `OSError`."""
    content = {field: getattr(checkpoint, field) for field in Checkpoint.__slots__}
    buffer = BytesIO()
    require_torch().save({"format": _FORMAT, **content}, buffer)
    folder = folder_of(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / name, buffer.getvalue())


def save_last(out: Path, steps: int, checkpoint: Checkpoint, keep: int) -> None:
    """Writes the checkpoint of a step, and then removes those before the last ``keep``. Raises `OSError`."""
    save(out, place(out, steps).name, checkpoint)
    for path in saved(out)[:-keep]:
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
        open_archive(path).close()
        with torch.serialization.safe_globals([_counter()]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunError(f"there is no file {path}") from None
    except UnpicklingError:
        raise RunError(
            f"{path} is not a checkpoint that can be read: it holds more than numbers, texts and tensors"
        ) from None
    except Exception as error:  # the file of a stranger makes its reader raise anything
        raise RunError(f"{path} is not a checkpoint that can be read: {first_line(error)}") from None
    fields = cast("dict[str, Any]", content if isinstance(content, dict) else {})
    if fields.pop("format", None) != _FORMAT or fields.keys() != set(Checkpoint.__slots__):
        raise RunError(f"{path} is not a checkpoint of this version of dlspec")
    wrong = _wrong(fields)
    if wrong:
        raise RunError(f"{path} is not a checkpoint that can be gone on from: its `{wrong}` is none")
    found = Checkpoint(**fields)
    if found.name != training.name:
        raise RunError(f"{path} is a checkpoint of `{found.name}`, not of `{training.name}`")
    if found.form != form_of(training):
        hint = "the spec and its settings have to be those of the run that goes on"
        raise RunError(f"{path} was made by another form of `{training.name}`", hint)
    return found


def restore(trainer: Any, saved: Checkpoint, path: Path | None, sharded: bool) -> None:
    """Puts the state of a checkpoint into a trainer of the same form. Raises `RunError` where it does not fit."""
    fresh = _settings(trainer)
    try:
        for name, optimizer in trainer.optimizers.items():
            for group, own in zip(
                saved.trainer["optimizers"][name]["param_groups"], optimizer.param_groups, strict=True
            ):
                group |= {"fused": own["fused"]} if "fused" in own else {}  # a matter of the device, not of the run
        trainer.load_state_dict(divided(saved.trainer, trainer) if sharded else saved.trainer)
        if not _alike(fresh, _settings(trainer)) or not _count(trainer.steps):
            raise ValueError("its settings are of another kind")
        for name, optimizer in trainer.optimizers.items():
            for weight, kept in optimizer.state.items():
                if type(optimizer) is require_torch().optim.LBFGS:  # it has all weights in one row
                    break
                if any(getattr(value, "shape", ()) not in ((), weight.shape) for value in kept.values()):
                    raise ValueError(f"what the optimizer `{name}` remembers has another shape than its weight")
    except Exception as error:  # whatever is wrong in it, torch finds it late
        raise RunError(f"{path} does not fit: {first_line(error)}") from None


def _settings(trainer: Any) -> Any:
    groups = {name: item.state_dict()["param_groups"] for name, item in trainer.optimizers.items()}
    return [groups, {name: item.state_dict() for name, item in trainer.schedules.items()}]


def _alike(a: Any, b: Any) -> bool:
    """Whether two states have the same keys and kinds of values."""
    if isinstance(a, dict) and isinstance(b, dict):
        ours, theirs = cast("dict[Any, Any]", a), cast("dict[Any, Any]", b)
        return ours.keys() == theirs.keys() and all(_alike(ours[key], theirs[key]) for key in ours)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        many, others = cast("list[Any]", a), cast("list[Any]", b)
        return len(many) == len(others) and all(map(_alike, many, others))
    kinds: set[Any] = {type(a), type(b)}  # type: ignore[reportUnknownArgumentType]
    return len(kinds) == 1 or kinds == {int, float}


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _size(value: Any) -> bool:
    sizes = cast("list[Any]", value if isinstance(value, list | tuple) else [])
    return len(sizes) == 2 and all(_count(size) and size > 0 for size in sizes)


def _names(item: tuple[Any, Any]) -> bool:
    name, classes = item
    return (
        isinstance(name, str)
        and isinstance(classes, list)
        and all(isinstance(each, str) for each in cast("list[Any]", classes))
    )


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "form": lambda value: isinstance(value, str),
    "trainer": lambda value: isinstance(value, dict),
    "taken": _count,
    "examples": _count,
    "data": lambda value: isinstance(value, str),
    "classes": lambda value: isinstance(value, dict) and all(map(_names, cast("dict[Any, Any]", value).items())),
}

_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "batch": lambda value: value is None or (_count(value) and value > 0),
    "seed": lambda value: value is None or type(value) is int,
    "held_out": lambda value: value is None or (isinstance(value, int | float) and 0 <= value < 1),
    "resize": lambda value: value is None or _size(value),
    "precision": lambda value: value in (None, "32-true", "bf16-mixed"),
    "accumulate": lambda value: _count(value) and value > 0,
}


def _wrong(fields: dict[str, Any]) -> str | None:
    """The field of a checkpoint that is not what it has to be."""
    options = fields["options"]
    if not isinstance(options, dict) or cast("dict[Any, Any]", options).keys() != _OPTIONS.keys():
        return "options"
    wrong = [name for name, fits in _FIELDS.items() if not fits(fields[name])]
    wrong += [name for name, fits in _OPTIONS.items() if not fits(options[name])]
    return wrong[0] if wrong else None


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

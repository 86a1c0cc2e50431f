"""All that flows into what draws, sample by sample, and what comes of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.draws import KNOWN, STANDARD, draw, way
from dlspec.backends.runtime import RunError
from dlspec.commands.errors import CallError
from dlspec.commands.sample_inputs import check_classes, classes_of, given
from dlspec.commands.sample_part import CODE, Drawing
from dlspec.ir.dims import DimError
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph, Prior
from dlspec.ir.node import Value
from dlspec.objectives.training import STEP
from dlspec.ops.random import Normal
from dlspec.passes.between import between
from dlspec.passes.noise_inputs import draws as named_draws
from dlspec.passes.noise_inputs import noise_as_inputs, noise_ranges
from dlspec.passes.retype import numpy_dtype
from dlspec.training.weights import ALL

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

COUNT = 64
CHUNK = 64
"""Samples that are computed at once."""


class Draws:
    """Samples of a part of a graph.

    ``codes``: what is drawn, [samples, ...] by name; with ``--interpolate`` ways between two draws, one after another.
    ``rows``: what samples have that is not drawn. ``columns``: how many samples belong side by side. ``lines`` say what
    flows in.
    """

    def __init__(self, what: Drawing, arguments: Namespace) -> None:
        """Raises `CallError` and `RunError` for what is missing, or does not fit."""
        part = what.part
        self._batch, outputs = _batched(what)
        self.graph = between(part.graph, part.inputs, outputs)
        self.graph.name = what.title
        self.codes: dict[str, Array] = {}
        self.lines: list[str] = []
        self.columns = 8
        self._noises: dict[str, np.random.Generator] = {}
        self._arguments = arguments
        self._what = what
        self._seed: int = arguments.seed
        self._steps: int = arguments.interpolate or 1
        if isinstance(self._batch, int) and self._steps > 1:
            raise CallError(
                f"{what.title} has a batch of {self._batch}, and a way is a batch", "leave --interpolate out"
            )
        arrays = given(arguments.input, self.graph)
        check_classes(self.graph, arrays)
        self._taken = {value.name: value for value in self.graph.inference_inputs()}
        self._whole = {name: array for name, array in arrays.items() if not self._has_batch(self._taken[name])}
        self.rows = {
            name: self._rows_first(array, self._taken[name])
            for name, array in arrays.items()
            if name not in self._whole
        }
        self._add_classes()
        self.count = self._count()
        self._sizes = self._known_sizes(arrays)
        self._add_codes()
        self.rows = {name: self._each(array) for name, array in self.rows.items()}
        if self._steps > 1:
            self.columns = self._steps

    @property
    def samples(self) -> int:
        return self.count * self._steps

    def rest(self, name: str) -> tuple[object, ...]:
        """The sizes of an output beside its batch, without axes of one before those of an image, a vector or a point."""
        (value,) = (output.value for output in self.graph.outputs if output.name == name)
        axis = _axis(value, self._batch)
        rest = tuple(dim for place, dim in enumerate(value.type.shape) if place != axis)
        return rest[1:] if len(rest) in (2, 4) and rest[0] == 1 else rest

    # What flows in

    def _rows_first(self, array: Array, value: Value) -> Array:
        import numpy as np

        axis = _axis(value, self._batch) if array.ndim == value.type.rank else None
        return np.moveaxis(array, axis, 0) if axis else array

    def _as_taken(self, array: Array, value: Value) -> Array:
        import numpy as np

        return np.ascontiguousarray(np.moveaxis(array, 0, _axis(value, self._batch) or 0))

    def _has_batch(self, value: Value) -> bool:
        return _axis(value, self._batch) is not None

    def _add_classes(self) -> None:
        """Classes that nobody gives, in turn; the end of training for what asks how far it is."""
        import numpy as np

        for name, value in self._taken.items():
            if name in self.rows or name in self._whole or value.type.dtype.is_float:
                continue
            count = classes_of(self.graph, value) if self._has_batch(value) and value.type.rank == 1 else None
            steps = self._last_step() if name == STEP and not value.type.rank else None
            if count is not None:
                self.rows[name] = np.arange(count, dtype=numpy_dtype(value.type.dtype))
                self.lines.append(f"{name}: 0 to {count - 1} in turn; --input {name}=0 chooses")
            elif steps is not None:
                self._whole[name] = np.asarray(steps, numpy_dtype(value.type.dtype))
                self.lines.append(f"{name}: {steps}, the last of the run")
            else:
                raise CallError(f"{self._what.title} takes `{name}: {value.type}`", f"--input {name}=NUMBER")

    def _last_step(self) -> int | None:
        from dlspec.training.log import FILE, read

        folders = [Path(text.partition("=")[2] or text) for text in self._arguments.weights or ()]
        records = [
            record for folder in folders for record in read((folder.parent if folder.name == ALL else folder) / FILE)
        ]
        return records[-1]["step"] if records else None

    def _count(self) -> int:
        """How many samples, or ways; those that are given say it where the call does not."""
        most = max((len(array) for array in self.rows.values()), default=1)
        if 1 < most <= 16 and self._steps == 1:
            self.columns = most
        asked: int | None = self._arguments.count
        default = COUNT if self._steps == 1 else 8
        return asked or (most if most > default else -(-default // most) * most)

    def _known_sizes(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        from dlspec.backends.arrays import shown_sizes

        name = str(self._batch)
        shapes: dict[str, tuple[int, ...]] = {}
        for key, array in arrays.items():
            axis = _axis(self._taken[key], self._batch)
            shapes[key] = tuple(self.count if place == axis else size for place, size in enumerate(array.shape))
        shown = shown_sizes(self.graph, {k: v for k, v in shapes.items() if isinstance(self._batch, str)})
        known = self.graph.default_sizes() | shown
        known.pop(name, None)
        return known

    def _add_codes(self) -> None:
        """Draws for all other inputs. Raises `CallError` for one that is a number, or data."""
        for name, value in self._taken.items():
            if name in self.rows or name in self._whole or not value.type.dtype.is_float:
                continue
            if not value.type.rank:
                raise CallError(f"{self._what.title} takes the number `{name}`", f"--input {name}=0")
            fed = self._what.fed
            if name in fed.data and name not in self._what.part.priors:
                message = f"{self._what.title} takes `{name}`, which is data in `{fed.data[name]}` and not drawn"
                raise CallError(message, f"--input {name}=FILE", CODE)
            self.codes[name] = self._code(name, value)

    def _code(self, name: str, value: Value) -> Array:
        import numpy as np

        part = self._what.part
        prior = part.priors.get(name)
        ends = 1 if self._steps == 1 else 2
        batched = self._has_batch(value)
        shape = self._shape(value, ends * self.count if batched else 1)
        if prior is not None and prior.family in KNOWN:
            drawn = draw(prior, shape, self._generator(name))
            self.lines.append(f"{name}: {self._told(batched)} of {prior}, as it is trained with")
        elif name in part.made and batched:
            drawn = self._made(name, *part.made[name], shape)
            self.lines.append(f"{name}: {self._told(batched)} as it is trained with")
        else:
            drawn = draw(STANDARD, shape, self._generator(name))
            self.lines.append(f"{name}: {self._told(batched)} of {STANDARD}, since no train says of what")
        if ends == 2 and batched:
            pairs = zip(drawn[: self.count], drawn[self.count :], strict=True)
            drawn = np.concatenate([way(*pair, self._steps, self._arguments.way) for pair in pairs])
        elif not batched:
            self._whole[name] = drawn.astype(numpy_dtype(value.type.dtype))
        return drawn.astype(numpy_dtype(value.type.dtype))

    def _told(self, batched: bool) -> str:
        if not batched:
            return "a draw for all"
        if self._steps == 1:
            return f"{self.count:,} draws"
        return f"{self.count:,} {self._arguments.way} ways in {self._steps} steps between draws"

    def _made(self, name: str, graph: Graph, value: Value, shape: tuple[int, ...]) -> Array:
        """Draws that the train does something to before they flow in. Raises `CallError` where these are of other sizes."""
        from dlspec.backends.onnx.model import build
        from dlspec.backends.onnx.write import to_bytes
        from dlspec.backends.runtime import Session

        part = between(graph, {}, {name: value})
        noise = noise_as_inputs(part)
        sizes = graph.default_sizes() | {str(value.type.shape[0]): shape[0]}
        inputs = {each.name: self._noise(part, each, sizes) for each in noise.inputs}
        made = self._rows_first(Session(to_bytes(build(noise)), graph=noise).run(inputs)[name], self._taken[name])
        if made.shape != shape:
            message = f"`{name}` is drawn as {list(made.shape[1:])} in the train, and is {list(shape[1:])} here"
            raise CallError(message, f"--input {name}=FILE")
        return made

    def _shape(self, value: Value, rows: int) -> tuple[int, ...]:
        try:
            known = self._sizes | ({self._batch: rows} if isinstance(self._batch, str) else {})
            shape = tuple(evaluate(dim, known) for dim in value.type.shape)
        except DimError as error:
            hint = f"--size {error.missing[0]}=..." if error.missing else ""
            raise RunError(f"the input `{value.name}: {value.type}` has no known size: {error}", hint) from None
        axis = _axis(value, self._batch)
        return shape if axis is None else (rows, *shape[:axis], *shape[axis + 1 :])

    def _each(self, array: Array) -> Array:
        """Rows for all samples. Raises `CallError` for so many that they are not taken in turn."""
        import numpy as np

        if len(array) > self.count:
            array = array[: self.count]
        return np.repeat(np.resize(array, (self.count, *array.shape[1:])), self._steps, axis=0)

    def _generator(self, name: str) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng([self._seed, *name.encode()])

    # What comes of it

    def run(self, weights: Mapping[str, Array], path: Path) -> dict[str, Array]:
        """The outputs, [samples, ...] by name, of a model written to a ``path``. Raises `RunError`, `DlspecError`."""
        import numpy as np

        from dlspec.backends.onnx.model import build
        from dlspec.backends.onnx.write import write
        from dlspec.backends.room import weigh
        from dlspec.backends.runtime import COPIES, Session

        graph = noise_as_inputs(self.graph)
        model = build(graph, weights=weights)
        weigh(model.weights, COPIES)
        write(model, path)
        session = Session(path, self._arguments.provider, graph)
        noise = [value for value in graph.inputs if value.name not in self._taken]
        chunk = self._batch if isinstance(self._batch, int) else CHUNK if self._steps == 1 else self._steps
        rows = self.rows | {name: codes for name, codes in self.codes.items() if name not in self._whole}
        made: dict[str, list[Array]] = {}
        for start in range(0, self.samples, chunk):
            count = min(chunk, self.samples - start)
            size = chunk if isinstance(self._batch, int) else count
            sizes = self._sizes | ({} if isinstance(self._batch, int) else {self._batch: size})
            inputs = {
                name: self._as_taken(_filled(array[start : start + count], size), self._taken[name])
                for name, array in rows.items()
            }
            inputs |= self._whole
            inputs |= {value.name: self._noise(self.graph, value, sizes, self._steps > 1) for value in noise}
            outputs = session.run(inputs)
            for output in self.graph.outputs:
                array = self._rows_first(outputs[output.name], output.value)
                made.setdefault(output.name, []).append(array[:count])
        return {name: np.concatenate(parts) for name, parts in made.items()}

    def _noise(self, graph: Graph, value: Value, sizes: Mapping[str, int], same: bool = False) -> Array:
        """What is drawn inside; with ``same`` the draws of the first sample for all."""
        import numpy as np

        generator = self._noises.setdefault(value.name, self._generator(value.name))
        node = named_draws(graph)[value.name]
        shape = tuple(evaluate(dim, sizes) for dim in value.type.shape)
        if isinstance(node.op, Normal):
            drawn = draw(Prior("Normal", (node.op.mean, node.op.std)), shape, generator)
        else:
            drawn = draw(Prior("Uniform", noise_ranges(graph)[value.name]), shape, generator)
        if same:
            for axis, dim in enumerate(value.type.shape):
                if str(dim) == self._batch:
                    drawn = np.repeat(np.take(drawn, [0], axis), shape[axis], axis)
        return drawn.astype(numpy_dtype(value.type.dtype))


def _filled(rows: Array, size: int) -> Array:
    """As many rows as a batch of a fixed size has."""
    import numpy as np

    return rows if len(rows) == size else np.resize(rows, (size, *rows.shape[1:]))


def _axis(value: Value, batch: str | int) -> int | None:
    """The axis of the batch: the first of its symbol, or the very first of its number."""
    if isinstance(batch, int):
        return 0 if value.type.shape[:1] == (batch,) else None
    return next((axis for axis, dim in enumerate(value.type.shape) if str(dim) == batch), None)


def _batched(what: Drawing) -> tuple[str | int, dict[str, Value]]:
    """The size of the batch, a symbol or a number, and the outputs that have it. Raises `CallError`."""
    outputs, symbols = what.part.outputs, what.part.graph.symbols
    for value in outputs.values():
        named = [str(dim) for dim in value.type.shape if str(dim) in symbols]
        batch = named[0] if named else next(iter(value.type.shape), None)
        if isinstance(batch, str | int):
            return batch, {name: each for name, each in outputs.items() if _axis(each, batch) is not None}
    shown = ", ".join(f"{name}: {value.type}" for name, value in outputs.items())
    raise CallError(f"what {what.title} gives has no batch: {shown}", code=CODE)

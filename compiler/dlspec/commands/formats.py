"""What is written: the table of formats, and the one way through it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from dlspec.commands import write_networks, write_pictures, write_trains
from dlspec.commands.common import Target, is_train, open_named, target
from dlspec.commands.errors import CallError

if TYPE_CHECKING:
    from dlspec.pipeline import Program

Command: TypeAlias = Literal["compile", "draw"]


class Use(NamedTuple):
    """What writes a file, and the options of the command that it has a use for."""

    write: Callable[[Program, Target, Namespace], None]
    options: tuple[str, ...] = ()
    update: bool = False
    """Whether one update of a train can be written alone."""


class Format(NamedTuple):
    """A kind of file, by its ending: the command that writes it, and how it does of a network and of a train."""

    ending: str
    command: Command
    network: Use
    train: Use

    def use(self, train: str) -> Use:
        """Of a train where one is named."""
        return self.train if train else self.network


_PARTS = ("theme", "rankdir", "wrap", "poster", "width", "hide", "show")
_DRAWN = Use(write_pictures.picture, (*_PARTS, "layout", "style"))
_DRAWN_TRAIN = Use(write_pictures.picture, _PARTS)
_PAGE = Use(write_pictures.picture, ("theme", "weights"))
_TEXT = Use(write_pictures.picture, ("rankdir",))

FORMATS: tuple[Format, ...] = (
    Format(
        ".onnx",
        "compile",
        Use(write_networks.onnx, ("opset", "seed", "weights", "optimize", "dtype")),
        Use(write_trains.onnx, ("opset", "seed", "weights"), update=True),
    ),
    Format(".py", "compile", Use(write_networks.python, ("weights", "optimize", "dtype")), Use(write_trains.python)),
    Format(".json", "compile", Use(write_networks.json), Use(write_trains.json)),
    Format(".svg", "draw", _DRAWN, _DRAWN_TRAIN),
    Format(".png", "draw", _DRAWN, _DRAWN_TRAIN),
    Format(".pdf", "draw", _DRAWN, _DRAWN_TRAIN),
    Format(".tex", "draw", _DRAWN, _DRAWN_TRAIN),
    Format(".html", "draw", _PAGE, _PAGE),
    Format(".dot", "draw", _TEXT, _TEXT),
    Format(".mmd", "draw", _TEXT, _TEXT),
)


def write(command: Command, arguments: Namespace) -> None:
    """Writes the file that a call asks for, in the format of its ending.

    Raises `CallError` for what the format has no use for, and what its writer raises.
    """
    formats = [format for format in FORMATS if format.command == command]
    chosen = _chosen(formats, arguments.output)
    _check_options(formats, chosen, arguments)
    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    train = ""
    if is_train(program, wanted):
        train = wanted.network or next(iter(program.trains))
        _check_options(formats, chosen, arguments, train)
        if wanted.update is not None and not chosen.train.update:
            endings = " and ".join(format.ending for format in FORMATS if format.train.update)
            raise CallError(f"one objective alone is for {endings} files", f"{wanted.file}:{train} is the whole train")
    try:
        chosen.use(train).write(program, wanted, arguments)
    except OSError as error:
        raise CallError(f"cannot write {arguments.output}: {error.strerror or error}") from None


def _chosen(formats: list[Format], file: str) -> Format:
    """The format of a file. Raises `CallError`."""
    ending = Path(file).suffix
    chosen = {format.ending: format for format in FORMATS}.get(ending)
    if chosen is not None and chosen in formats:
        return chosen
    verb = "draw" if formats[0].command == "draw" else "write"
    what = f"a {ending} file" if ending else "a file without an ending"
    hint = f"the formats are {', '.join(format.ending for format in formats)}"
    if chosen is not None:
        hint += f"; `dlspec {chosen.command}` writes {ending} files"
    raise CallError(f"cannot {verb} {what}", hint, "DL0607")


def _check_options(formats: list[Format], chosen: Format, arguments: Namespace, train: str = "") -> None:
    """Raises `CallError` for an option that the chosen format has no use for. ``train`` is the name of one, where one is
    written."""
    for option in dict.fromkeys(option for format in formats for option in format.network.options):
        if getattr(arguments, option) and option not in chosen.use(train).options:
            endings = " and ".join(format.ending for format in formats if option in format.use(train).options)
            if not train:
                raise CallError(f"--{option} is for {endings} files")
            if endings:
                raise CallError(f"--{option} is for the {endings} files of a train")
            raise CallError(f"--{option} is for networks, and `{train}` is a train")

"""The command line. Every command's module is imported when it runs, so that a small one starts quickly."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from dlspec.commands.arguments import Parser, limits_of
from dlspec.commands.common import WRONG_CALL, WRONG_SPEC, show
from dlspec.commands.errors import CallError, CallFindings
from dlspec.diagnostics import DlspecError, Hinted
from dlspec.limits import limited
from dlspec.render import Paint, printable, wants_colour

COMMANDS = {
    "check": "report everything that is wrong with specs",
    "summary": "show the layers of a network and what they cost, or the updates of a train",
    "compile": "write a network or a train as .onnx, .py (PyTorch) or .json",
    "draw": "draw a network as .svg, .png, .pdf, .tex (TikZ), .html, .dot or .mmd (Mermaid)",
    "run": "run a network in ONNX Runtime or PyTorch",
    "verify": "compare a network in ONNX Runtime with itself in PyTorch, with the same weights",
    "train": "train the networks of a spec on data",
    "sample": "draw from a generator, a decoder or a sampler, as images or arrays",
    "weights": "make, convert, list and compare files of weights",
    "ops": "list the built-in layers and functions, or show one",
    "explain": "explain the code of an error or a warning",
    "fmt": "bring specs into their canonical form",
    "version": "print the version",
}
"""The commands, a module of `commands` each, in the order in which the help shows them."""

_INTERRUPTED, _NO_READER = 130, 141  # 128 and the number of the signal, as a shell has it


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit status: 0 fine, 1 the spec is wrong, 2 the call is wrong."""
    try:
        own = arguments is None
        arguments = sys.argv[1:] if arguments is None else arguments
        parsed = parser(arguments).parse_args(arguments)
        if own and parsed.command != "train":  # what others train with may end its files when it is collected
            atexit.register(gc.freeze)  # all that is left goes with the process, and is not looked through before
        with limited(limits_of(parsed)):
            status = _module(parsed.command).run(parsed)
        sys.stdout.flush()
        return status
    except DlspecError as error:
        show(error.diagnostics)
        return _status(error)
    except Hinted as error:
        return _wrong_call(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
        return _NO_READER
    except OSError as error:
        file = f"{error.filename}: " if error.filename is not None else ""
        return _wrong_call(CallError(f"{file}{error.strerror or error}"))
    except MemoryError as error:
        return _wrong_call(CallError(f"there is not enough memory: {error or 'none is left'}"))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED


def _status(error: DlspecError) -> int:
    weights = {"DL0601", "DL0602", "DL0603", "DL0604"}  # in a file that the call names
    of_call = isinstance(error, CallFindings) or {d.code for d in error.diagnostics} <= weights
    return WRONG_CALL if of_call else WRONG_SPEC


def _wrong_call(error: Hinted) -> int:
    paint = Paint(wants_colour(sys.stderr))
    code = f"[{error.code}]" if error.code else ""
    print(paint(f"error{code}", "error") + paint(f": {printable(error.message)}", "bold"), file=sys.stderr)
    if error.hint:
        print(f"  {paint('hint', 'hint')}: {printable(error.hint)}", file=sys.stderr)
    return WRONG_CALL


def parser(arguments: Sequence[str]) -> Parser:
    """The parser of a call. Of the commands only the one that is called has its arguments, which its module declares."""
    from dlspec import __version__

    parser = Parser(prog="dlspec", description="A language and compiler for neural-network architectures.")
    parser.add_argument("--version", action="version", version=f"dlspec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False)
        if name == called:
            _module(name).declare(command)
    return parser


def _module(command: str) -> ModuleType:
    return import_module(f"dlspec.commands.{command}")

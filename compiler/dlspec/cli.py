"""The command line. Every command's module is imported when it runs, so that a small one starts quickly."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from dlspec.commands.common import WRONG_CALL, WRONG_SPEC, show
from dlspec.commands.errors import CallError, CallFindings
from dlspec.diagnostics import DlspecError, Hinted
from dlspec.render import Paint, printable, wants_colour

_INTERRUPTED, _NO_READER = 130, 141  # 128 and the number of the signal, as a shell has it


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit status: 0 fine, 1 the spec is wrong, 2 the call is wrong."""
    try:
        parsed = parser().parse_args(arguments)
        status = import_module(f"dlspec.commands.{parsed.command}").run(parsed)
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CallError(
            message.replace("argument COMMAND: invalid choice:", "there is no command"), f"see `{self.prog} --help`"
        )


def parser() -> argparse.ArgumentParser:
    from dlspec import __version__

    parser = _Parser(prog="dlspec", description="A language and compiler for neural-network architectures.")
    parser.add_argument("--version", action="version", version=f"dlspec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False)

    check = command("check", "report everything that is wrong with specs")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--format", choices=("text", "json"), default="text")

    summary = command("summary", "show the layers of a network and what they cost, or the updates of a train")
    _takes_network(summary, trains=True)
    summary.add_argument("--format", choices=("table", "json", "markdown", "csv"), default="table")
    summary.add_argument("--depth", type=_positive, metavar="K", help="fold what is nested deeper than K levels")
    summary.add_argument("--tree", action="store_true", help="show blocks above their layers")
    summary.add_argument("--symbolic", action="store_true", help="count with open sizes instead of their defaults")

    compile_ = command("compile", "write a network or a train as .onnx, .py (PyTorch) or .json")
    _takes_network(compile_, trains=True)
    compile_.add_argument("-o", "--output", required=True, metavar="OUT", help="the file; its ending is the format")
    _takes_weights(compile_)
    _takes_form(compile_)

    draw = command("draw", "draw a network as .svg, .png, .pdf, .html, .dot or .mmd (Mermaid)")
    _takes_network(draw)
    draw.add_argument("-o", "--output", metavar="OUT", help="the file; its ending is the format")
    draw.add_argument("--watch", action="store_true", help="serve it as a page that is drawn again on every save")
    draw.add_argument("--depth", type=_positive, metavar="K", help="fold what is nested deeper than K levels")
    draw.add_argument("--expand", action="append", default=[], metavar="PATH", help="open a block, as in layer1.0")
    draw.add_argument("--collapse", action="append", default=[], metavar="PATH", help="fold a block")
    draw.add_argument("--symbolic", action="store_true", help="shapes and costs with open sizes")
    draw.add_argument("--theme", choices=("light", "dark", "print"), help="colours (default light)")
    draw.add_argument("--rankdir", choices=("TB", "LR"), help="draw down (default) or to the right")
    draw.add_argument("--wrap", type=_positive, metavar="WIDTH", help="draw in rows of WIDTH pixels, as a snake")
    draw.add_argument("--poster", action="store_true", help="draw it folded, and each distinct block once below")

    run = command("run", "run a network in ONNX Runtime or PyTorch")
    _takes_network(run)
    _takes_weights(run)
    _takes_form(run)
    run.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    run.add_argument("--device", choices=("cpu", "cuda"), help="where to run it (default cpu)")
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE.npy",
        help="an input, or an .npz of several",
    )
    run.add_argument("--provider", metavar="NAME", help="ONNX Runtime's: cpu (default), cuda, tensorrt ...")
    run.add_argument("--repeat", type=_positive, default=10, metavar="N", help="runs to take the time of (default 10)")
    run.add_argument("--top", type=int, default=5, metavar="K", help="classes to show of an [N, K] output (default 5)")
    run.add_argument("--labels", metavar="FILE", help="names of the classes, one in a line")

    verify = command("verify", "compare a network in ONNX Runtime with itself in PyTorch, with the same weights")
    _takes_network(verify, trains=True)
    verify.add_argument("--seed", type=int, metavar="N", help="draw the weights as the other commands do")
    verify.add_argument("--weights", metavar="FILE.safetensors", help="take the weights from a file")
    verify.add_argument("--optimize", action="store_true", help="compare the form with BatchNorm folded")
    verify.add_argument("--macs", type=_positive, metavar="N", help="leave out sizes that cost more (default 20e9)")

    train = command("train", "train the networks of a spec on data")
    train.add_argument("target", metavar="FILE[:TRAIN]", help="a spec, and which of its trains")
    _takes_settings(train)
    train.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="D",
        help="a folder of images by class, an .npz, NAME=x.npy, or `digits`",
    )
    train.add_argument("--resize", metavar="HxW", help="the size that images get")
    train.add_argument("--epochs", type=_positive, metavar="N", help="passes over the data (default 10)")
    train.add_argument("--steps", type=_positive, metavar="N", help="steps after which it ends")
    train.add_argument("--batch-size", type=_positive, metavar="N", help="examples of all processes (default 64)")
    train.add_argument("--seed", type=int, metavar="N", help="what everything is drawn with (default 0)")
    train.add_argument("--val-fraction", type=float, metavar="F", help="the part that is held out (default 0.1)")
    train.add_argument("--out", metavar="DIR", help="where everything is written (default runs/TRAIN)")
    train.add_argument("--resume", nargs="?", const="", metavar="CKPT", help="go on from a checkpoint, or the last one")
    train.add_argument("--every", type=_positive, metavar="N", help="steps between checkpoints (default an epoch)")
    train.add_argument(
        "--log-every", type=_positive, default=10, metavar="N", help="steps between metrics (default 10)"
    )
    train.add_argument("--accelerator", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    train.add_argument(
        "--devices", type=_positive, default=1, metavar="N", help="processes on this machine (default 1)"
    )
    train.add_argument("--num-nodes", type=_positive, default=1, metavar="N", help="machines (default 1)")
    train.add_argument(
        "--strategy", choices=("auto", "ddp", "fsdp"), default="auto", help="how processes work together"
    )
    train.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="what is computed in (default 32-true)")

    weights = command("weights", "make, convert, list and compare files of weights")
    actions = weights.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    init = actions.add_parser("init", help="draw the weights of a network", allow_abbrev=False)
    _takes_network(init)
    init.add_argument("--seed", type=int, metavar="N", help="what weights are drawn with (default 0)")
    init.add_argument("-o", "--output", required=True, metavar="OUT", help="a .safetensors or .pt file")
    convert = actions.add_parser("convert", help="between .safetensors and PyTorch's .pt", allow_abbrev=False)
    convert.add_argument("file", metavar="FILE")
    convert.add_argument("-o", "--output", required=True, metavar="OUT")
    listed = actions.add_parser("list", help="show what a file holds", allow_abbrev=False)
    listed.add_argument("file", metavar="FILE")
    diff = actions.add_parser("diff", help="compare a file with what a network needs", allow_abbrev=False)
    _takes_network(diff)
    diff.add_argument("file", metavar="FILE")

    ops = command("ops", "list the built-in layers and functions, or show one")
    ops.add_argument("name", nargs="?", metavar="NAME")
    ops.add_argument("--format", choices=("text", "json"), default="text")

    explain = command("explain", "explain the code of an error or a warning")
    explain.add_argument("code", nargs="?", metavar="CODE")

    fmt = command("fmt", "bring specs into their canonical form")
    fmt.add_argument("files", nargs="+", metavar="FILE")
    fmt.add_argument("--check", action="store_true", help="write nothing; exit with 1 where something would change")

    command("version", "print the version")
    return parser


def _takes_network(parser: argparse.ArgumentParser, trains: bool = False) -> None:
    named = "a spec, or std.resnet for a shipped one" + ("; a train can be named too" if trains else "")
    parser.add_argument("target", metavar="FILE[:NETWORK]", help=named)
    _takes_settings(parser)


def _takes_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the network")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=SIZE", help="a size, as in --size H=256")


def _takes_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--opset", type=_positive, metavar="N", help="the version of ONNX's operators")
    parser.add_argument("--seed", type=int, metavar="N", help="what weights are drawn with (default 0)")
    parser.add_argument("--weights", metavar="FILE.safetensors", help="take the weights from a file")


def _takes_form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--optimize", action="store_true", help="fold BatchNorm; channels_last in PyTorch")
    parser.add_argument("--dtype", choices=("float16", "bfloat16"), help="another element type than the spec's")


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a positive int")

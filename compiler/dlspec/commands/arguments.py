"""The arguments that several commands take."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import NoReturn

from dlspec.commands.errors import CallError
from dlspec.limits import Limits


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors like those of the commands."""

    def error(self, message: str) -> NoReturn:
        raise CallError(
            message.replace("argument COMMAND: invalid choice:", "there is no command"), f"see `{self.prog} --help`"
        )


def takes_network(parser: Parser, trains: bool = False) -> None:
    named = "a spec, or std.resnet for a shipped one" + ("; a train can be named too" if trains else "")
    parser.add_argument("target", metavar="FILE[:NETWORK]", help=named)
    takes_settings(parser)


def takes_project(parser: Parser) -> None:
    parser.add_argument(
        "--project", metavar="DIR", help="the folder that imports stay in (default: see `explain DL0404`)"
    )


def takes_settings(parser: Parser) -> None:
    takes_project(parser)
    takes_limits(parser)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the network")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=SIZE", help="a size, as in --size H=256")


def takes_limits(parser: Parser) -> None:
    for field in fields(Limits):
        help = "bytes of weights that are drawn or written (default what is free)"
        if field.default is not None:
            help = f"what a spec may take while compiling (default {field.default:,})"
        parser.add_argument(f"--max-{field.name}", type=positive, metavar="N", help=help)


def limits_of(arguments: argparse.Namespace) -> Limits:
    """The limits of a call. Raises `CallError`."""
    given = {field.name: getattr(arguments, f"max_{field.name}", None) for field in fields(Limits)}
    try:
        return Limits(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise CallError(str(error)) from None


def takes_weights(parser: Parser) -> None:
    parser.add_argument("--opset", type=positive, metavar="N", help="the version of ONNX's operators")
    parser.add_argument("--seed", type=seed, metavar="N", help="what weights are drawn with (default 0)")
    takes_weight_files(parser)


def takes_weight_files(parser: Parser) -> None:
    parser.add_argument(
        "--weights", action="append", metavar="FILE", help="take the weights from a file, or from several together"
    )
    takes_weight_names(parser)
    takes_dropping(parser)


def takes_weight_names(parser: Parser) -> None:
    parser.add_argument("--key", metavar="A.B", help="where in a checkpoint the weights are")
    parser.add_argument("--strip-prefix", metavar="P", help="take a beginning off the names of the weights")
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="names that are or begin with OLD; * is any text",
    )


def takes_dropping(parser: Parser) -> None:
    parser.add_argument("--drop-unknown", action="store_true", help="leave out weights that the network has not")


def takes_form(parser: Parser) -> None:
    parser.add_argument("--optimize", action="store_true", help="fold BatchNorm; channels_last in PyTorch")
    parser.add_argument("--dtype", choices=("float16", "bfloat16"), help="another element type than the spec's")


def positive(text: str) -> int:
    if len(text) < 19 and text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]} is not a positive int of less than 19 digits")


def natural(text: str) -> int:
    if len(text) < 19 and text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]} is not an int from 0 on of less than 19 digits")


seed = natural

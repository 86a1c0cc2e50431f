"""`dlspec sample`: what a generator, a decoder or a sampler draws, in ONNX Runtime."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from dlspec.commands.arguments import Parser, positive, seed, takes_settings, takes_weight_names
from dlspec.commands.common import OK, open_named, say, target
from dlspec.commands.errors import CallError
from dlspec.commands.writing import write_npz


def declare(parser: Parser) -> None:
    named = "a spec, and of it a generator, a network with a decoder, a sampler, a train, or TRAIN.NETWORK"
    parser.add_argument("target", metavar="FILE[:NETWORK]", help=named)
    takes_settings(parser)
    parser.add_argument(
        "--weights",
        action="append",
        metavar="[NETWORK=]FILE",
        help="a file of weights, or the folder of a run; with NETWORK those of that one",
    )
    takes_weight_names(parser)
    parser.add_argument(
        "--count", type=positive, metavar="N", help="samples, or ways of --interpolate (default 64, or 8)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="what everything is drawn with (default 0)")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=V",
        help="an input that is not drawn: a number, 0..9, 1,2,5, an image, .npy, or an .npz of several",
    )
    parser.add_argument(
        "--interpolate", type=positive, metavar="N", help="N samples on the way from one code to another"
    )
    parser.add_argument("--way", choices=("linear", "spherical"), default="linear", help="that way (default linear)")
    parser.add_argument("--provider", default="cpu", metavar="NAME", help="ONNX Runtime's: cpu (default), cuda ...")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a grid as .png, or arrays as .npz")


def run(arguments: Namespace) -> int:
    from dlspec.backends.runtime import not_finite
    from dlspec.commands.sample_draws import Draws
    from dlspec.commands.sample_part import drawing
    from dlspec.commands.sample_pictures import shown_as, write_picture
    from dlspec.commands.sample_weights import weights_of

    ending = Path(arguments.output).suffix.lower()
    if ending not in (".png", ".npz"):
        raise CallError(
            f"-o {arguments.output}: samples are a grid in a .png, or arrays in an .npz", "-o out.png", "DL0607"
        )
    if arguments.interpolate == 1:
        raise CallError("--interpolate 1: a way has two ends", "--interpolate 8")
    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    what = drawing(program, wanted, arguments)
    draws = Draws(what, arguments)
    shown = shown_as(what, draws) if ending == ".png" else None
    weights, source = weights_of(draws.graph, what.part.renamed, arguments)
    with TemporaryDirectory(prefix="dlspec-") as folder:
        outputs = draws.run(weights, Path(folder, "model.onnx"))
    lines = [f"{what.title} in ONNX Runtime on {arguments.provider}", f"weights: {source}", *draws.lines]
    if shown is not None:
        lines.append(write_picture(shown, outputs, draws, Path(arguments.output)))
    else:
        arrays = {**outputs, **{name: array for name, array in draws.codes.items() if name not in outputs}}
        write_npz(arrays, Path(arguments.output))
        listed = ", ".join(f"{name} {array.dtype.name} {list(array.shape)}" for name, array in arrays.items())
        lines.append(f"wrote {arguments.output}: {listed}")
    say("\n".join(lines))
    for sentence in not_finite(outputs):
        say(f"warning: {sentence}", sys.stderr)
    return OK

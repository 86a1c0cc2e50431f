"""`dlspec train`: the objectives of a spec, on data."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.arguments import Parser, natural, positive, seed, takes_settings, takes_weight_names
from dlspec.commands.common import OK, choose_train, elaborated_train, open_named, say, show, target
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import read_files

if TYPE_CHECKING:
    from dlspec.objectives.training import Training
    from dlspec.training.beginning import Beginning


def declare(parser: Parser) -> None:
    parser.add_argument("target", metavar="FILE[:TRAIN]", help="a spec, and which of its trains")
    takes_settings(parser)
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="[NETWORK=]FILE",
        help="begin with the weights of a file: of all, or of one network; several may be given",
    )
    parser.add_argument("--partial", action="store_true", help="take those of --weights that fit, and tell the others")
    takes_weight_names(parser)
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="D",
        help="a folder of images, .npz, .csv, .parquet, .tar, torchvision:SET:FOLDER, huggingface:FOLDER, `digits`, or by "
        "NAME=: a folder, x.npy, t.csv:COLUMN,COLUMN, x.tar:jpg",
    )
    parser.add_argument(
        "--val-data", action="append", default=[], metavar="D", help="what is held out, in the forms of --data"
    )
    parser.add_argument("--download", action="store_true", help="let torchvision or datasets get what is not on disk")
    parser.add_argument("--resize", metavar="HxW", help="the size that images get")
    parser.add_argument(
        "--workers", type=natural, default=0, metavar="N", help="processes that prepare batches (default 0: a thread)"
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="passes over the data (default 10)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps after which it ends")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="examples of all processes (default 64)")
    parser.add_argument("--seed", type=seed, metavar="N", help="what everything is drawn with (default 0)")
    parser.add_argument("--val-fraction", type=float, metavar="F", help="the part that is held out (default 0.1)")
    parser.add_argument("-o", "--out", metavar="DIR", help="where everything is written (default runs/TRAIN)")
    parser.add_argument(
        "--resume", nargs="?", const="", metavar="CKPT", help="go on from a checkpoint, or the last one"
    )
    parser.add_argument(
        "--eval",
        nargs="?",
        const="",
        metavar="CKPT",
        help="train nothing, and say the numbers of a checkpoint, or of the last one, over all of --data",
    )
    parser.add_argument("--every", type=positive, metavar="N", help="steps between checkpoints (default an epoch)")
    parser.add_argument("--keep", type=positive, default=2, metavar="N", help="checkpoints that remain (default 2)")
    parser.add_argument(
        "--best",
        metavar="NAME",
        help="keep the best checkpoint too, by an objective, max:NAME or min:NAME over what is held out",
    )
    parser.add_argument("--patience", type=positive, metavar="N", help="end after N epochs without a better --best")
    parser.add_argument(
        "--accumulate", type=positive, metavar="K", help="take each batch in K parts, for what does not fit the memory"
    )
    parser.add_argument(
        "--log-every", type=positive, default=10, metavar="N", help="steps between metrics (default 10)"
    )
    parser.add_argument(
        "--log",
        action="append",
        choices=("tensorboard", "wandb"),
        default=[],
        help="write the metrics and samples for such a program too; both may be given",
    )
    parser.add_argument(
        "--probe", action="store_true", help="log norms of gradients, dead units and variances of activations by layer"
    )
    parser.add_argument("--accelerator", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument(
        "--devices", type=positive, default=1, metavar="N", help="processes on this machine (default 1)"
    )
    parser.add_argument("--num-nodes", type=positive, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument(
        "--strategy", choices=("auto", "ddp", "fsdp"), default="auto", help="how processes work together"
    )
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="what is computed in (default 32-true)")
    parser.add_argument("--compile", action="store_true", help="let torch.compile make the networks faster")


def run(arguments: Namespace) -> int:
    from dlspec.diagnostics import Diagnostics
    from dlspec.training.beginning import undrawn
    from dlspec.training.devices import first_process
    from dlspec.training.options import Options
    from dlspec.training.sets import is_set
    from dlspec.training.start import train

    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    training = elaborated_train(program, choose_train(program, wanted), arguments)
    beginning = _beginning(training, arguments)
    if first_process():
        show(program.diagnostics)
        if arguments.resume is None:
            show(Diagnostics(undrawn(training, beginning)))
    if arguments.patience is not None and arguments.best is None:
        raise CallError("--patience is for --best: it says which number is to become better")
    if arguments.eval is not None and arguments.resume is not None:
        raise CallError("--eval trains nothing, and --resume goes on: one of them")
    if arguments.eval is not None and arguments.val_data:
        raise CallError("--eval looks at all of --data, and --val-data is for training: one of them")
    if arguments.eval is not None and arguments.probe:
        raise CallError("--eval trains nothing, and --probe looks at training: one of them")
    if arguments.download and not any(map(is_set, [*arguments.data, *arguments.val_data])):
        raise CallError("--download is for the data sets of torchvision: and huggingface:")
    place = arguments.resume if arguments.eval is None else arguments.eval
    options = Options(
        data=tuple(arguments.data),
        val_data=tuple(arguments.val_data),
        download=arguments.download,
        out=Path(arguments.out or f"runs/{training.name}"),
        epochs=arguments.epochs,
        steps=arguments.steps,
        batch=arguments.batch_size,
        seed=arguments.seed,
        held_out=arguments.val_fraction,
        resize=_resize(arguments.resize),
        workers=arguments.workers,
        every=arguments.every,
        keep=arguments.keep,
        best=arguments.best,
        patience=arguments.patience,
        accumulate=arguments.accumulate,
        log_every=arguments.log_every,
        log=tuple(arguments.log),
        probe=arguments.probe,
        resume=place is not None,
        evaluate=arguments.eval is not None,
        checkpoint=Path(place) if place else None,
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        nodes=arguments.num_nodes,
        strategy=arguments.strategy,
        precision=arguments.precision,
        compile=arguments.compile,
    )
    train(training, options, beginning, say, show)
    return OK


def _beginning(training: Training, arguments: Namespace) -> Beginning:
    """The weights that the call names. Raises `CallError`, `RunError` and `DlspecError`."""
    from dlspec.training.beginning import Beginning, whose

    if not arguments.weights:
        for flag in ("partial", "key", "strip_prefix", "rename"):
            if getattr(arguments, flag):
                raise CallError(f"--{flag.replace('_', '-')} is for the files of --weights, and none is given")
    elif arguments.resume is not None:
        raise CallError(
            "--weights begins a run, and --resume goes on with one that has its weights: give one of the two"
        )
    made = Beginning()
    for text in arguments.weights:
        _, file = whose(training, text)
        made.take(training, text, read_files([file], arguments), arguments.partial)
    return made


def _resize(text: str | None) -> tuple[int, int] | None:
    """The height and width of ``64`` or ``64x48``. Raises `CallError`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if found is None:
        raise CallError(f"--resize {text}: write --resize 64, or HEIGHTxWIDTH such as 64x48")
    return int(found[1]), int(found[2] or found[1])

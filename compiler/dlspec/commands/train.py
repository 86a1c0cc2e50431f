"""`dlspec train`: the objectives of a spec, on data."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

from dlspec.commands.common import OK, choose_train, elaborated_train, open_named, show, target
from dlspec.commands.errors import CallError


def run(arguments: Namespace) -> int:
    from dlspec.training.devices import first_process
    from dlspec.training.options import Options
    from dlspec.training.start import train

    wanted = target(arguments.target)
    program = open_named(wanted.file)
    training = elaborated_train(program, choose_train(program, wanted), arguments)
    if first_process():
        show(program.diagnostics)
    options = Options(
        data=tuple(arguments.data),
        out=Path(arguments.out or f"runs/{training.name}"),
        epochs=arguments.epochs,
        steps=arguments.steps,
        batch=arguments.batch_size,
        seed=arguments.seed,
        held_out=arguments.val_fraction,
        resize=_resize(arguments.resize),
        every=arguments.every,
        log_every=arguments.log_every,
        resume=arguments.resume is not None,
        checkpoint=Path(arguments.resume) if arguments.resume else None,
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        nodes=arguments.num_nodes,
        strategy=arguments.strategy,
        precision=arguments.precision,
    )
    train(training, options, lambda line: print(line, flush=True))
    return OK


def _resize(text: str | None) -> tuple[int, int] | None:
    """The height and width of ``64`` or ``64x48``. Raises `CallError`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if found is None:
        raise CallError(f"--resize {text}: write --resize 64, or HEIGHTxWIDTH such as 64x48")
    return int(found[1]), int(found[2] or found[1])

"""`python -m bench`: prints every comparison. `--runs N` turns, default 9; names choose some of them."""

from __future__ import annotations

import argparse
import compileall
import tempfile
from pathlib import Path

from bench import compiling, counting, data, drawing, editing, modern, running, steps
from bench.timing import ROOT

BENCHES = {
    "compiling": compiling.run,
    "counting": counting.run,
    "data": data.run,
    "drawing": drawing.run,
    "editing": editing.run,
    "running": running.run,
    "modern": modern.run,
    "steps": steps.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which (default: all)")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    # As pip does with what it installs: else a Python that writes no bytecode would compile the checkout at every start.
    compileall.compile_dir(ROOT / "compiler", quiet=1)
    with tempfile.TemporaryDirectory(prefix="dlspec-bench-") as folder:
        for name in arguments.names or BENCHES:
            BENCHES[name](Path(folder), arguments.runs)


if __name__ == "__main__":
    main()

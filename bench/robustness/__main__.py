"""`python -m bench.robustness`: prints the table, of all parts or those that are named.

`--runs N` damaged files of each kind, `--kills N`, `--seed N`. The status is 1 where something failed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.robustness import damage, environments, injections, writers
from bench.robustness.tally import Tally, show

PARTS = {  # what is killed is forked, so it comes before what starts threads
    "kills": lambda folder, given: writers.kills(folder, given.kills, given.seed),
    "disks": lambda folder, given: writers.full_disks(folder),
    "injections": lambda folder, given: injections.run(folder),
    "environments": lambda folder, given: environments.run(folder),
    "damage": lambda folder, given: damage.run(folder, given.runs, given.seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.robustness", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which (default: all)")
    parser.add_argument("--runs", type=int, default=500, help="damaged files of each kind (default 500)")
    parser.add_argument("--kills", type=int, default=1000, help="processes that are killed (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="dlspec-robust-") as name:
        for part in arguments.parts or PARTS:
            made = PARTS[part](Path(name, part), arguments)
            show(made)
            tallies += made
    tried, failures = sum(tally.tried for tally in tallies), sum(len(tally.failures) for tally in tallies)
    print(f"seed {arguments.seed}: {tried:,} tried, {failures} failures")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()

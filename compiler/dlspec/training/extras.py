"""The packages of the extra `train`, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import first_line

HINT = "pip install 'dlspec[train]'"


def need(package: str, purpose: str, hint: str = HINT) -> Any:
    """A package, or a module of one. Raises `RunError` where it is not installed, and where it does not load."""
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise RunError(f"{purpose} needs {_listed(package)}", hint) from None
    except Exception as error:  # one that is built for another version of what it stands on raises anything
        name = _listed(package)
        raise RunError(f"{purpose} needs {name}, which does not load here: {first_line(error)}", hint) from None


def check_installed(*packages: str) -> None:
    """Raises `RunError` for a package that is not installed; imports none."""
    for package in packages:
        if find_spec(package) is None:
            raise RunError(f"training needs {_listed(package)}", HINT)


def _listed(package: str) -> str:
    """What pip calls it."""
    name = package.partition(".")[0]
    return {"PIL": "pillow", "sklearn": "scikit-learn"}.get(name, name.replace("_", "-"))

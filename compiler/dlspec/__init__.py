"""A language and compiler for neural-network architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlspec.diagnostics import DlspecError
    from dlspec.editing.analysis import Analysis, Instance, Place, Symbol, analyse
    from dlspec.files import Files, Memory, Unsaved
    from dlspec.model import Model, load

__version__ = "0.1.0"

__all__ = [
    "Analysis", "DlspecError", "Files", "Instance", "Memory", "Model", "Place", "Symbol", "Unsaved", "__version__",
    "analyse", "load",
]  # fmt: skip

_HOMES = {
    "DlspecError": "dlspec.diagnostics",
    **dict.fromkeys(("Analysis", "Instance", "Place", "Symbol", "analyse"), "dlspec.editing.analysis"),
    **dict.fromkeys(("Files", "Memory", "Unsaved"), "dlspec.files"),
    **dict.fromkeys(("Model", "load"), "dlspec.model"),
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `import dlspec` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

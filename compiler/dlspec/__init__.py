"""A language and compiler for neural-network architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlspec.analyses.cost import Cost, Costs
    from dlspec.analyses.memory import Memory
    from dlspec.analyses.report import Row, Summary
    from dlspec.backends.diagram.engine import EngineError
    from dlspec.backends.diagram.levels import NoLevels
    from dlspec.backends.diagram.picture import Picture
    from dlspec.backends.diagram.scene import UnknownPath
    from dlspec.backends.runtime import RunError
    from dlspec.diagnostics import Diagnostic, DlspecError, Note, Severity
    from dlspec.editing.analysis import Analysis, Instance, Place, Symbol, analyse
    from dlspec.files import Files, InMemory, Unsaved
    from dlspec.ir.graph import Graph
    from dlspec.ir.node import Node, Value
    from dlspec.ir.program import Template
    from dlspec.ir.scope import Scope
    from dlspec.ir.types import DType, TensorType
    from dlspec.ir.verify import BrokenGraph
    from dlspec.limits import Limits
    from dlspec.model import Model, load
    from dlspec.source import Source, Span

__version__ = "0.1.0"

__all__ = [
    "Analysis", "BrokenGraph", "Cost", "Costs", "DType", "Diagnostic", "DlspecError", "EngineError", "Files", "Graph",
    "InMemory", "Instance", "Limits", "Memory", "Model", "NoLevels", "Node", "Note", "Picture", "Place", "Row", "RunError",
    "Scope", "Severity", "Source", "Span", "Summary", "Symbol", "Template", "TensorType", "UnknownPath", "Unsaved", "Value",
    "__version__", "analyse", "load",
]  # fmt: skip

_HOMES = {
    "analyses.cost": ("Cost", "Costs"),
    "analyses.memory": ("Memory",),
    "analyses.report": ("Row", "Summary"),
    "backends.diagram.engine": ("EngineError",),
    "backends.diagram.levels": ("NoLevels",),
    "backends.diagram.picture": ("Picture",),
    "backends.diagram.scene": ("UnknownPath",),
    "backends.runtime": ("RunError",),
    "diagnostics": ("Diagnostic", "DlspecError", "Note", "Severity"),
    "editing.analysis": ("Analysis", "Instance", "Place", "Symbol", "analyse"),
    "files": ("Files", "InMemory", "Unsaved"),
    "ir.graph": ("Graph",),
    "ir.node": ("Node", "Value"),
    "ir.scope": ("Scope",),
    "ir.program": ("Template",),
    "ir.types": ("DType", "TensorType"),
    "ir.verify": ("BrokenGraph",),
    "limits": ("Limits",),
    "model": ("Model", "load"),
    "source": ("Source", "Span"),
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `import dlspec` costs nothing."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"dlspec.{home}"), name)


def __dir__() -> list[str]:
    return __all__

"""Names that generated code may use."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

RESERVED = frozenset({
    "T_destination", "add_module", "append", "apply", "bfloat16", "buffers", "call_super_init", "children", "clear",
    "compile", "copy", "cpu", "cuda", "double", "dump_patches", "eval", "extend", "extra_repr", "float", "forward",
    "fromkeys", "get", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "insert", "ipu",
    "items", "keys", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules",
    "named_parameters", "parameters", "pop", "popitem", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "setdefault", "share_memory", "state_dict", "to",
    "to_empty", "train", "training", "type", "update", "values", "xpu", "zero_grad",
})  # fmt: skip
"""Attributes of ``nn.Module`` and its containers: a member of such a name would hide them, or they it."""

_LOCALS = frozenset({
    "F", "Iterator", "LocallyConnected", "NamedTuple", "OrderedDict", "Tensor", "ValueError", "abs", "avg_pool_same",
    "bool", "by_shape", "center_crop", "copy", "dict", "enumerate", "float", "follow", "getattr", "int", "layers_of", "len",
    "list", "math", "max", "min", "next", "nn", "pad_same", "pad_to", "param_groups", "parameters_of", "print", "range",
    "rotary", "rotary_table", "round", "routed_linear", "self", "stochastic_depth", "str", "sum", "super", "torch",
    "tracked", "tuple", "zip",
})  # fmt: skip


def attribute(label: str) -> bool:
    """Whether a label can be written ``self.label``."""
    return label.isidentifier() and not hidden(label)


def hidden(label: str) -> bool:
    """Whether a member of this name has to be reached through ``_modules``."""
    return label in RESERVED or keyword.iskeyword(label) or label.startswith("_") or is_no_name(label)


def is_no_name(label: str) -> bool:
    """Whether a label is neither a name of Python nor a number: `block1-0`."""
    return not label.isdigit() and not label.isidentifier()


def variable(name: str) -> str:
    """A name of the spec as a variable or argument of Python. Names of a spec are ASCII, so NFKC folds none of them."""
    taken = keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _LOCALS
    mangled = name.startswith("__")
    return f"{name.strip('_') or 'name'}_" if taken or mangled else name


def class_name(name: str, taken: Iterable[str]) -> str:
    """A class name of its own."""
    name = variable(name)
    candidate, count = name, 2
    while candidate in taken:
        candidate, count = f"{name}{count}", count + 1
    return candidate


def camel(label: str) -> str:
    """``double_conv`` as ``DoubleConv``."""
    return "".join(part[:1].upper() + part[1:] for part in label.replace("-", "_").split("_"))


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number behind it."""
    candidate, count = name, 2
    while candidate in taken:
        candidate, count = f"{name}{count}", count + 1
    return candidate

"""`network A = B(settings)`: another network, whose settings have other defaults."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.diagnostics import Note
from dlspec.elaborate.calls import bind_block
from dlspec.elaborate.flow import Elaborator
from dlspec.elaborate.values import POISON, BlockLayer, BranchLayer, Failure, Module, kind_of
from dlspec.syntax import ast

_SHOWN = 8
"""Networks of a circle that a message names."""


def declare_variants(module: Module, variants: Mapping[str, ast.Variant], elaborator: Elaborator) -> None:
    """Declares the variants of a file, by their names, each behind what it is a variant of. The networks that are declared
    with a body are known."""
    waiting = dict(variants)
    for variant in variants.values():
        chain: list[ast.Variant] = []
        base: ast.Variant | None = variant
        while base is not None and waiting.pop(base.name.name, None) is not None:
            chain.append(base)
            base = variants.get(base.base.name)
        module.env.names |= dict.fromkeys((each.name.name for each in chain), POISON)
        try:
            if base in chain:
                raise _circle(chain[chain.index(base) :])
            for each in reversed(chain):
                module.env.names[each.name.name] = _variant(module, each, elaborator)
        except Failure as failure:
            elaborator.report(failure)


def _circle(chain: list[ast.Variant]) -> Failure:
    names = [each.name.name for each in (*chain, chain[0])]
    if len(names) > _SHOWN:
        names = [*names[: _SHOWN // 2], "...", *names[-_SHOWN // 2 :]]
    hint = "one of them must be declared with its inputs and a body: `network Name(x: float[N, 3, H, W]) -> y { ... }`"
    notes = tuple(Note(each.base.span, "which is this one") for each in chain[1:_SHOWN])
    message = f"these networks are nothing but each other: {' = '.join(names)}"
    return Failure("DL0402", message, chain[0].base.span, hint=hint, notes=notes)


def _variant(module: Module, variant: ast.Variant, elaborator: Elaborator) -> object:
    """The network of a variant, or POISON. What it is given is evaluated where it is used, and sees the names of the file.

    Raises `Failure`.
    """
    base, value, env = variant.base, variant.value, module.env
    other = _other(module, base)
    found = None if other else elaborator.evaluate(base, env)
    if found is POISON:
        return POISON
    if not isinstance(found, BlockLayer) or not isinstance(found.declaration, ast.Network):
        raise _no_network(variant, other or kind_of(found), found)
    elaborator.builder.spend(len(found.declaration.parameters), value.span)
    layer = found
    for node in module.file.declarations:
        if isinstance(node, ast.Default) and node.layer.name == base.name and node.span.end <= variant.span.start:
            set_here = bind_block(found, [(a, None) for a in node.arguments if a.name], None, node.span, env)
            layer = found.replaced(layer.arguments | set_here.arguments)
    if isinstance(value, ast.Call):
        branches = None if value.branches is None else [BranchLayer(body, env) for body in value.branches]
        layer = bind_block(layer, [(argument, None) for argument in value.arguments], branches, value.span, env)
    given = {name: written.expression for name, (_, written) in layer.arguments.items()}
    parameters = tuple(
        parameter.replace(default=given.get(parameter.name.name, parameter.default))
        for parameter in found.declaration.parameters
    )
    declaration = found.declaration.replace(
        span=variant.span, name=variant.name, parameters=parameters, doc=variant.doc or found.declaration.doc
    )
    return BlockLayer(declaration, found.module, homes={**found.homes, **dict.fromkeys(given, env)})


def _other(module: Module, base: ast.Name) -> str:
    """What a name of a file stands for where it is declared and no layer."""
    if base.name in module.env.names:
        return ""
    for node in module.file.declarations:
        if isinstance(node, ast.Train) and node.name.name == base.name:
            return f"the train `{base.name}`"
        if isinstance(node, ast.Bind) and any(name.name == base.name for name in ast.names_of(node.targets)):
            return f"what `{base.name} = ...` gives a name"
    return ""


def _no_network(variant: ast.Variant, what: str, found: object) -> Failure:
    name, base = variant.name.name, variant.base
    hint, notes = f"name the network itself: `network {name} = Network(setting=value)`", ()
    if isinstance(found, BlockLayer) and isinstance(found.declaration, ast.Block):
        what = f"the {found.declaration.kind} `{base.name}`"
        hint = f"a network says what flows in: `network {name}(x: float[N, 3, H, W]) -> y {{ x -> {base.name} }}`"
        notes = (Note(found.declaration.name.span, "declared here"),)
    return Failure("DL0308", f"a variant is of a network, and this is {what}", base.span, hint=hint, notes=notes)

"""`dlspec weights`: make, convert, join, list and compare files of weights."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.arguments import Parser, seed, takes_dropping, takes_network, takes_weight_names
from dlspec.commands.common import OK, WRONG_CALL, graph_of, say, show
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import read_files
from dlspec.render import columns, printable
from dlspec.tables import padded

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DTYPES = ("float32", "float16", "bfloat16", "float64")


def declare(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    init = actions.add_parser("init", help="draw the weights of a network", allow_abbrev=False)
    takes_network(init)
    init.add_argument("--seed", type=seed, metavar="N", help="what weights are drawn with (default 0)")
    init.add_argument("-o", "--output", required=True, metavar="OUT", help="a .safetensors or .pt file")
    takes_tied(init)
    convert = actions.add_parser("convert", help="write weights as .safetensors or .pt", allow_abbrev=False)
    takes_files(convert)
    convert.add_argument("-o", "--output", required=True, metavar="OUT", help="a .safetensors or .pt file")
    convert.add_argument("--dtype", choices=DTYPES, help="the element type of floating-point weights")
    convert.add_argument("--for", dest="spec", metavar="FILE[:NETWORK]", help="only what this network has")
    takes_tied(convert)
    merge = actions.add_parser("merge", help="one file of several, each under a path", allow_abbrev=False)
    merge.add_argument(
        "files",
        nargs="+",
        metavar="[PATH=]FILE",
        help="the names of this file begin with PATH, as in small=a.safetensors",
    )
    merge.add_argument("--key", metavar="A.B", help="where in each checkpoint the weights are")
    merge.add_argument("-o", "--output", required=True, metavar="OUT", help="a .safetensors or .pt file")
    listed = actions.add_parser("list", help="show what files hold", allow_abbrev=False)
    takes_files(listed)
    diff = actions.add_parser("diff", help="compare files with what a network needs", allow_abbrev=False)
    takes_network(diff)
    takes_files(diff)
    takes_dropping(diff)


def takes_files(parser: Parser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="safetensors, a file of torch.save, TorchScript or ONNX; several are one",
    )
    takes_weight_names(parser)


def takes_tied(parser: Parser) -> None:
    help = "a weight that layers share, under the names of both (default) or the first, as Hugging Face's files have it"
    parser.add_argument("--tied", choices=("both", "once"), help=help)


def run(arguments: Namespace) -> int:
    actions = {"init": _init, "convert": _convert, "merge": _merge, "list": _list, "diff": _diff}
    return actions[arguments.action](arguments)


def _init(arguments: Namespace) -> int:
    """Draws the weights of a network and writes them."""
    from dlspec.backends.room import weigh, weigh_on_disk
    from dlspec.backends.weight_files.write import COPIES
    from dlspec.backends.weights import draw_all, with_aliases

    graph, path = graph_of(arguments), Path(arguments.output)
    weigh(graph.parameters.values(), COPIES)
    weigh_on_disk(graph.parameters.values(), path)
    tensors = draw_all(graph, arguments.seed or 0)
    _save(tensors if arguments.tied == "once" else with_aliases(graph, tensors), path)
    return OK


def _convert(arguments: Namespace) -> int:
    from dlspec.backends.weight_files.write import as_dtype

    if arguments.tied is not None and arguments.spec is None:
        raise CallError("--tied needs --for: the spec says which names are of one weight")
    tensors = read_files(arguments.files, arguments)
    if arguments.spec is not None:
        from dlspec.backends.weights import untied, with_aliases

        graph = graph_of(Namespace(target=arguments.spec, set=[], size=[], project=None))
        tensors = untied(graph, tensors)
        tensors = {path: tensors[path] for path in graph.parameters if path in tensors}
        tensors = tensors if arguments.tied == "once" else with_aliases(graph, tensors)
        if not tensors:
            raise CallError(f"{graph.name} has none of these weights", "`dlspec weights diff` shows what differs")
    if arguments.dtype is not None:
        tensors = as_dtype(tensors, arguments.dtype)
    _save(tensors, Path(arguments.output))
    return OK


def _merge(arguments: Namespace) -> int:
    """Joins files that were written apart, each with its names under a path."""
    from dlspec.backends.weight_files.read import load_weights, unreadable

    tensors: dict[str, Array] = {}
    origins: dict[str, str] = {}
    for text in arguments.files:
        path, equals, file = ("", "", text) if "=" not in text or Path(text).exists() else text.partition("=")
        if equals and not path.strip("."):
            raise CallError(f"{text}: there is no path before =", "write PATH=FILE, as in small=a.safetensors")
        for name, tensor in load_weights(file, arguments.key).items():
            joined = f"{path}.{name}" if path else name
            if joined in tensors:
                hint = "give each a path of its own, as in small=a.safetensors"
                raise unreadable(file, f"`{joined}` is in {origins[joined]} and in {file}", hint)
            tensors[joined], origins[joined] = tensor, file
    _save(tensors, Path(arguments.output))
    return OK


def _list(arguments: Namespace) -> int:
    tensors = read_files(arguments.files, arguments)
    names = [printable(name) for name in tensors]
    width = max(map(columns, names), default=0)
    lines = [
        f"{padded(name, width)}  {array.dtype.name} {list(array.shape)}"
        for name, array in zip(names, tensors.values(), strict=True)
    ]
    say("\n".join(lines))
    say(f"{len(tensors)} tensors, {sum(array.size for array in tensors.values()):,} values")
    return OK


def _diff(arguments: Namespace) -> int:
    """Everything in which files differ from what a network needs; status 2 where they do."""
    from dlspec.backends.weights import check_weights, without_gaps
    from dlspec.diagnostics import Severity

    graph = graph_of(arguments)
    tensors, found = without_gaps(graph, read_files(arguments.files, arguments))
    if arguments.drop_unknown:
        tensors = {name: tensor for name, tensor in tensors.items() if name in graph.parameters}
    found += check_weights(graph, tensors)
    show(found)
    if any(finding.severity is Severity.ERROR for finding in found):
        return WRONG_CALL
    say(f"{', '.join(arguments.files)} has the {len(graph.parameters)} weights of {graph.name}")
    return OK


def _save(tensors: Mapping[str, Array], path: Path) -> None:
    from dlspec.backends.weight_files.write import write_weights

    try:
        write_weights(tensors, path)
    except OSError as error:
        raise CallError(f"cannot write {path}: {error.strerror or error}") from None
    say(f"wrote {path}, {len(tensors)} tensors, {path.stat().st_size / 10**6:,.1f} MB")

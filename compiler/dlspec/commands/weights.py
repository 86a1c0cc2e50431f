"""`dlspec weights`: make, convert, list and compare files of weights."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.arguments import Parser, takes_network
from dlspec.commands.common import OK, WRONG_CALL, graph_of, show
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import drawn

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_TORCH = (".pt", ".pth", ".bin")


def declare(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    init = actions.add_parser("init", help="draw the weights of a network", allow_abbrev=False)
    takes_network(init)
    init.add_argument("--seed", type=int, metavar="N", help="what weights are drawn with (default 0)")
    init.add_argument("-o", "--output", required=True, metavar="OUT", help="a .safetensors or .pt file")
    convert = actions.add_parser("convert", help="between .safetensors and PyTorch's .pt", allow_abbrev=False)
    convert.add_argument("file", metavar="FILE")
    convert.add_argument("-o", "--output", required=True, metavar="OUT")
    listed = actions.add_parser("list", help="show what a file holds", allow_abbrev=False)
    listed.add_argument("file", metavar="FILE")
    diff = actions.add_parser("diff", help="compare a file with what a network needs", allow_abbrev=False)
    takes_network(diff)
    diff.add_argument("file", metavar="FILE")


def run(arguments: Namespace) -> int:
    actions = {"init": _init, "convert": _convert, "list": _list, "diff": _diff}
    return actions[arguments.action](arguments)


def _init(arguments: Namespace) -> int:
    """Draws the weights of a network and writes them."""
    graph = graph_of(arguments)
    _save(drawn(graph, arguments.seed or 0), Path(arguments.output))
    return OK


def _convert(arguments: Namespace) -> int:
    _save(_load(Path(arguments.file)), Path(arguments.output))
    return OK


def _list(arguments: Namespace) -> int:
    tensors = _load(Path(arguments.file))
    width = max((len(name) for name in tensors), default=0)
    for name, array in tensors.items():
        print(f"{name.ljust(width)}  {array.dtype.name} {list(array.shape)}")
    print(f"{len(tensors)} tensors, {sum(array.size for array in tensors.values()):,} values")
    return OK


def _diff(arguments: Namespace) -> int:
    """Everything in which a file differs from what a network needs; status 2 where it does."""
    from dlspec.backends.weights import check_weights

    graph = graph_of(arguments)
    found = check_weights(graph, _load(Path(arguments.file)))
    show(found)
    if not found:
        print(f"{arguments.file} has the {len(graph.parameters)} weights of {graph.name}")
    return WRONG_CALL if found else OK


def _load(path: Path) -> dict[str, Array]:
    if path.suffix not in _TORCH:
        from dlspec.backends.weights import load_safetensors

        return load_safetensors(path)
    from dlspec.backends.torch.live import require_torch

    torch = require_torch(f"a {path.suffix} file")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CallError(f"there is no file {path}") from None
    except Exception as error:  # pickle and zip raise what they like
        raise CallError(f"{path} is not a state dict that can be read: {str(error).splitlines()[0]}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state  # type: ignore[reportUnknownMemberType]
    if not isinstance(state, Mapping) or not all(torch.is_tensor(tensor) for tensor in state.values()):  # type: ignore[reportUnknownMemberType]
        raise CallError(f"{path} holds no state dict", "torch.save(model.state_dict(), PATH) makes one")
    tensors: dict[str, Any] = dict(state)  # type: ignore[reportUnknownArgumentType]
    return {name: _array(torch, tensor) for name, tensor in tensors.items()}


def _array(torch: Any, tensor: Any) -> Array:
    tensor = tensor.detach().contiguous()
    if tensor.dtype != torch.bfloat16:
        return tensor.numpy()
    import ml_dtypes

    return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)


def _save(tensors: Mapping[str, Array], path: Path) -> None:
    from dlspec.backends.files import write_bytes

    try:
        write_bytes(path, _encoded(tensors, path))
    except OSError as error:
        raise CallError(f"cannot write {path}: {error.strerror or error}") from None
    print(f"wrote {path}, {len(tensors)} tensors, {path.stat().st_size / 10**6:,.1f} MB")


def _encoded(tensors: Mapping[str, Array], path: Path) -> bytes:
    import numpy as np

    if path.suffix == ".safetensors":
        from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

        return save({name: np.array(array, order="C") for name, array in tensors.items()})
    if path.suffix not in _TORCH:
        raise CallError(f"cannot write weights to {path}", "the formats are .safetensors and .pt")
    from io import BytesIO

    from dlspec.backends.torch.live import require_torch

    torch = require_torch(f"a {path.suffix} file")
    buffer = BytesIO()
    torch.save({name: torch.from_numpy(np.array(array, order="C")) for name, array in tensors.items()}, buffer)
    return buffer.getvalue()

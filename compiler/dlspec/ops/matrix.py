"""Products of matrices and tensors, and triangles of matrices."""

from __future__ import annotations

from string import ascii_letters
from typing import ClassVar

from dlspec.ir.dims import Dim, product
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import DataMovement, broadcast, require_inputs, require_numbers, same_dtype


class MatMul(Op):
    """The matrix product over the last two axes: `[..., m, k]` by `[..., k, n]`; the axes before them broadcast.

    A vector on the left is a row and one on the right a column, and their axis is not in the result. MACs are `k` for
    each element of the output.

    ONNX: MatMul.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    layer = False
    function = "matmul"
    onnx = "MatMul"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        same_dtype(inputs, "`matmul`")
        require_numbers(inputs[0], "`matmul`")
        x, y = inputs
        if not x.rank or not y.rank:
            raise OpError(
                f"`matmul` takes vectors and matrices, not {format_shape(x.shape)} and {format_shape(y.shape)}",
                "multiply by a number with `*`",
                "DL0202",
            )
        message = (
            f"`matmul` cannot multiply {format_shape(x.shape)} by {format_shape(y.shape)}: "
            f"{x.shape[-1]} columns meet {y.shape[-2:][0]} rows"
        )
        need.equal(x.shape[-1], y.shape[-2:][0], message)
        leading = (x.with_shape(*x.shape[:-2]), y.with_shape(*y.shape[:-2]))
        return x.with_shape(
            *broadcast(need, leading, "`matmul`"), *x.shape[-2:-1], *(y.shape[-1:] if y.rank > 1 else ())
        )

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * inputs[0].shape[-1]


class Einsum(Op):
    """Einstein's sum: `einsum("bij,bjk->bik", a, b)`, as ``torch.einsum``.

    Equal letters are equal sizes, which are not broadcast. Letters that are not behind the arrow are summed over;
    without an arrow the result has those that occur once, in alphabetical order. `...` stands for axes that are not
    named.

    MACs are counted as torch executes it, from left to right, two tensors at a time: where a letter of both is summed over,
    the product of the sizes of all letters of both. Sums over letters of one tensor, over sizes of 1, and products without
    a sum are no MACs, but one FLOP per element.

    ONNX: Einsum.
    """

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    layer = False
    function = "einsum"

    equation: str

    def check(self) -> None:
        text = self.equation.replace(" ", "")
        inputs, arrow, output = text.partition("->")
        terms = inputs.split(",")
        for term in (*terms, output):
            for letter in term.replace("...", "", 1):
                if letter not in ascii_letters:
                    raise OpError(f'`einsum` cannot read `{letter}` in "{self.equation}"', _HINT, "DL0208")
        letters = output.replace("...", "")
        for letter in letters:
            if letters.count(letter) > 1:
                raise OpError(f"`einsum` has `{letter}` twice in its result", _HINT, "DL0208")
            if all(letter not in term for term in terms):
                raise OpError(f"`einsum` has `{letter}` in its result and in none of its inputs", _HINT, "DL0208")
        if arrow and "..." in inputs and "..." not in output:
            raise OpError(
                "`einsum` has `...` in its inputs and not in its result", "name the axes to sum over", "DL0208"
            )
        if "..." in output and "..." not in inputs:
            raise OpError("`einsum` has `...` in its result and in none of its inputs", _HINT, "DL0208")

    def labels(self, inputs: Types) -> tuple[tuple[str, ...], str]:
        """One letter for each axis of each input, and of the result. Raises `OpError` where the ranks do not fit."""
        text = self.equation.replace(" ", "")
        left, arrow, output = text.partition("->")
        terms = left.split(",")
        if len(terms) != len(inputs):
            raise OpError(f'`einsum` names {len(terms)} tensors in "{self.equation}" and is given {len(inputs)}', _HINT)
        unnamed = [x.rank - len(term.replace("...", "")) for term, x in zip(terms, inputs, strict=True)]
        for term, x, rest in zip(terms, inputs, unnamed, strict=True):
            if rest < 0 or (rest and "..." not in term):
                raise OpError(f"`einsum` names the axes `{term}` of {format_shape(x.shape)}", _HINT, "DL0202")
        used = [letter for letter in ascii_letters if letter not in text]
        longest = max((rest for term, rest in zip(terms, unnamed, strict=True) if "..." in term), default=0)
        if longest > len(used):
            raise OpError(f"`einsum` has more than {len(ascii_letters)} axes", code="DL0202")
        fresh = "".join(used[:longest])
        named = [
            term.replace("...", fresh[longest - rest :] if rest else "")
            for term, rest in zip(terms, unnamed, strict=True)
        ]  # fmt: skip
        if not arrow:
            plain = left.replace("...", "").replace(",", "")
            output = "..." + "".join(sorted(letter for letter in set(plain) if plain.count(letter) == 1))
        return tuple(named), output.replace("...", fresh)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_inputs(inputs, 1, "`einsum`")
        same_dtype(inputs, "`einsum`")
        require_numbers(inputs[0], "`einsum`")
        if inputs[0].dtype is DType.INT32:
            raise OpError("`einsum` has no sums of int32", 'cast(x, "int")', "DL0207")
        terms, output = self.labels(inputs)
        sizes: dict[str, Dim] = {}
        for term, x in zip(terms, inputs, strict=True):
            for letter, size in zip(term, x.shape, strict=True):
                known = sizes.setdefault(letter, size)
                shapes = " and ".join(format_shape(x.shape) for x in inputs)
                message = f'`einsum` "{self.equation}" has two sizes for `{letter}`, {known} and {size}, in {shapes}'
                sizes[letter] = need.equal(known, size, message)
        return inputs[0].with_shape(*(sizes[letter] for letter in output))

    def _work(self, inputs: Types) -> tuple[Dim, Dim]:
        """MACs, and FLOPs outside of them."""
        terms, output = self.labels(inputs)
        size = {
            letter: n for term, x in zip(terms, inputs, strict=True) for letter, n in zip(term, x.shape, strict=True)
        }

        def elements(letters: set[str]) -> Dim:
            return product(size[letter] for letter in sorted(letters))

        macs: Dim = 0
        others: Dim = 0
        left: set[str] = set()
        for position, term in enumerate(terms):
            right = {letter for letter in term if size[letter] != 1}  # over a size of 1 nothing is summed
            needed = set(output).union(*terms[position + 1 :])
            if position:
                met = (left & right) - needed
                for side in (left, right):
                    alone = side - needed - met
                    if alone:
                        others = others + elements(side)
                        side -= alone
                if met:
                    macs = macs + elements(left | right)
                else:
                    others = others + elements(left | right)
                left = (left | right) - met
            else:
                left = right
                if left - needed:
                    others = others + elements(left)
                    left = left & needed
        return macs, others

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return self._work(inputs)[0]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        macs, others = self._work(inputs)
        return 2 * macs + others


class Triangle(DataMovement):
    """Base of Tril and Triu."""

    layer = False
    elementwise = True

    diagonal: int = 0

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        if inputs[0].rank < 2:
            raise OpError(f"`{self.function}` takes matrices [..., n, m], not {inputs[0]}", code="DL0202")
        return inputs[0]


class Tril(Triangle):
    """The lower triangles of matrices `[..., n, m]`: zeros above the `diagonal`, which counts upwards from the main one.

    As ``torch.tril``. No FLOPs. ONNX: Trilu.
    """

    function = "tril"
    torch_function = "torch.tril"


class Triu(Triangle):
    """The upper triangles of matrices `[..., n, m]`: zeros below the `diagonal`, which counts upwards from the main one.

    As ``torch.triu``. No FLOPs. ONNX: Trilu.
    """

    function = "triu"
    torch_function = "torch.triu"


_HINT = 'write the axes of each tensor and of the result: einsum("bij,bjk->bik", a, b)'

OPERATORS: tuple[type[Op], ...] = (MatMul, Einsum, Tril, Triu)

"""Axes by their names."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from harness import Case, Refusal

from dlspec.ops.rearrange import Rearrange


def given(pattern: str, **lengths: int) -> Rearrange:
    return Rearrange(pattern, tuple(lengths.items()))


X4 = (2, 4, 6, 9)

CASES: list[Case] = [
    Case(given("b c h w -> b h w c"), (X4,), lambda: lambda x: x.permute(0, 2, 3, 1)),
    Case(given("b c h w -> b (h w) c"), (X4,), lambda: lambda x: x.flatten(2).transpose(1, 2)),
    Case(given("b c h w->b(c h w)"), (X4,), lambda: partial(torch.flatten, start_dim=1)),
    Case(given("b c h w -> (b c h w)"), (X4,), lambda: lambda x: x.reshape(-1)),
    Case(given("b c h w -> b c h w"), (X4,), lambda: lambda x: x.clone()),
    Case(
        given("b c (h p) (w q) -> (b h w) (p q) c", p=3, q=3),
        (X4,),
        lambda: lambda x: x.unfold(2, 3, 3).unfold(3, 3, 3).permute(0, 2, 3, 4, 5, 1).reshape(-1, 9, 4),
    ),
    # the inner name is the one that is open
    Case(given("b (g c) h w -> b c g h w", g=2), (X4,), lambda: lambda x: x.unflatten(1, (2, -1)).transpose(1, 2)),
    Case(
        given("b (c r s) h w -> b c (h r) (w s)", r=2, s=2),
        (X4,),
        lambda: lambda x: F.pixel_shuffle(x, 2),
        {0: ("N", 4, "H", "W")},
    ),
    Case(
        given("b c (h r) (w s) -> b (c r s) h w", r=2, s=3),
        (X4,),
        lambda: lambda x: x.unfold(2, 2, 2).unfold(3, 3, 3).permute(0, 1, 4, 5, 2, 3).flatten(1, 3),
    ),
    Case(
        given("n (t h d) -> n t h d", t=3, h=2, d=2), ((2, 12),), lambda: lambda x: x.view(-1, 3, 2, 2), {0: ("N", 12)}
    ),
    Case(given("b c h w -> b c h w", b=2, h=6), (X4,), lambda: lambda x: x + 0, {0: (2, 4, 6, "W")}),
    # axes of size 1
    Case(given("b 1 h () -> h b"), ((2, 1, 6, 1),), lambda: lambda x: x[:, 0, :, 0].T),
    Case(given("b c -> 1 b () c 1"), ((2, 5),), lambda: lambda x: x[None, :, None, :, None]),
    Case(given("() -> "), ((1,),), lambda: lambda x: x[0]),
    Case(given(" -> 1 ()"), ((),), lambda: lambda x: x[None, None]),
    Case(given("(h p) -> h p", p=1), ((6,),), lambda: lambda x: x[:, None]),
    # axes without names
    Case(given("b c ... -> b ... c"), (X4,), lambda: lambda x: x.movedim(1, -1)),
    Case(given("b c ... -> b (...) c"), (X4,), lambda: lambda x: x.flatten(2).transpose(1, 2)),
    Case(given("... (h d) -> h ... d", d=3), (X4,), lambda: lambda x: x.unflatten(-1, (-1, 3)).movedim(-2, 0)),
    Case(given("b ... -> ... b"), ((2,),), lambda: lambda x: x * 1),
    # lists
    Case(given("n b c -> b (n c)"), ((2, 5), (2, 5), (2, 5)), lambda: lambda *xs: torch.cat(xs, 1)),
    Case(given("n b c -> b c n"), ((2, 5), (2, 5)), lambda: lambda *xs: torch.stack(xs, -1)),
    Case(given("(g n) b c -> b g (c n)", g=2), ((2, 5),) * 4, lambda: lambda *xs: _grouped(*xs)),
    Case(given("n b c -> b n c"), ((2, 5),), lambda: lambda x: x[:, None]),
    Case(given("n ... -> ... n"), ((2, 5), (2, 5)), lambda: lambda *xs: torch.stack(xs, -1)),
]


def _grouped(*xs: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.stack(xs[:2], -1).flatten(1), torch.stack(xs[2:], -1).flatten(1)], 1)


REFUSED: list[Refusal] = [
    (lambda: given("b c -> c b"), (), "and there is none"),
    (lambda: given("b c h w"), (X4,), '`rearrange` "b c h w" has no `->`'),
    (lambda: given("b c -> c b -> b c"), ((2, 3),), "has `->` twice"),
    (lambda: given("b c -> b d"), ((2, 3),), "has `c` only before the arrow"),
    (lambda: given("b -> b c"), ((2,),), "has `c` only after the arrow"),
    (lambda: given("b c ... -> b c"), (X4,), "has `...` only before the arrow"),
    (lambda: given("b c -> b c ..."), (X4,), "has `...` only after the arrow"),
    (lambda: given("b b -> b"), ((2, 2),), "has `b` twice before the arrow"),
    (lambda: given("b c -> b (c b)"), ((2, 2),), "has `b` twice after the arrow"),
    (lambda: given("... a ... -> a ..."), (X4,), "has `...` twice before the arrow"),
    (lambda: given("(...) -> ..."), (X4,), "has `...` in parentheses before the arrow"),
    (lambda: given("b (c (h w)) -> b c h w"), ((2, 8),), "has parentheses in parentheses"),
    (lambda: given("b (c -> b c"), ((2, 8),), "has `(` without `)`"),
    (lambda: given("b c) -> b c"), ((2, 8),), "has `)` without `(`"),
    (lambda: given("b (c 2) -> b c 2"), ((2, 8),), 'has `2`'),
    (lambda: given("b c, d -> b c d"), (X4,), "has `,`"),
    (lambda: given("b c -> c b", h=2), ((2, 8),), '`rearrange` is given `h`, which is not in "b c -> c b"'),
    (lambda: given("b (h c) -> h b c", h=0), ((2, 8),), "`h` of `rearrange` must be at least 1, not 0"),
    (lambda: given("b (h c) -> h b c"), ((2, 8),), "`(h c)` of [2, 8] needs the lengths of all but one name"),
    (lambda: given("b (h c) -> h b c", h=3), ((2, 8),), "`(h c)` of [2, 8] is 8, which is not divisible by 3"),
    (lambda: given("b (h c) -> h b c", h=3, c=2), ((2, 8),), "`(h c)` of [2, 8] is 8, not 6"),
    (lambda: given("b c -> c b", c=7), ((2, 8),), "`c` of [2, 8] is 8, not 7"),
    (lambda: given("b 1 -> b"), ((2, 8),), "`()` of [2, 8] is 8, not 1"),
    (lambda: given("b c -> c b"), (X4,), "does not name the 4 axes of [2, 4, 6, 9]"),
    (lambda: given("b c h w d ... -> b c h w d ..."), ((2, 3),), "does not name the 2 axes of [2, 3]"),
    (lambda: given("b c -> c b"), ((2, 8), (2, 8)), "does not name the 3 axes of a list of tensors [2, 2, 8]"),
    (lambda: given("n b c -> n c b"), ((2, 8), (2, 7)), "stacks tensors of one shape, not [2, 8] and [2, 7]"),
    (lambda: given("n b c -> n c b"), ((2, 8), (2,)), "stacks tensors of one shape, not [2, 8] and [2]"),
]  # fmt: skip

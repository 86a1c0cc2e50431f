"""Seeds that depend on what is drawn and not on what was drawn before.

Nothing of a run is drawn from a stream that goes on: the order of the data, the changes to images and the noise of a
step each have a seed of their own, made of the run's seed and of which epoch, batch or step it is. So a run that is
resumed draws what an unbroken one draws, and several processes draw what one does.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator


def seed_of(*parts: object) -> int:
    """A seed of 63 bits, other for other parts."""
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator_of(*parts: object) -> Generator:
    """PyTorch's generator with the seed of these parts, on the CPU."""
    from dlspec.backends.torch.live import require_torch

    return require_torch().Generator().manual_seed(seed_of(*parts))

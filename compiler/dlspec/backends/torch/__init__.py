"""The graph as PyTorch: source text with a class for each block, and the live module. Writing text needs no torch."""

from dlspec.backends.torch.text.source import source

__all__ = ["source"]

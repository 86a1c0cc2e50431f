"""The graph as PyTorch: source text with a class for each block, and the live module. Writing text needs no torch."""

from dlspec.backends.torch import lower_functions as _functions
from dlspec.backends.torch import lower_losses as _losses
from dlspec.backends.torch import lower_modules as _modules
from dlspec.backends.torch import lower_tensors as _tensors
from dlspec.backends.torch.text import source

__all__ = ["source"]
_ = (_functions, _losses, _modules, _tensors)

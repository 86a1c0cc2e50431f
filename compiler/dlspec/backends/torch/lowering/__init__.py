"""Operators as PyTorch: a lowering for each that is not one to one."""

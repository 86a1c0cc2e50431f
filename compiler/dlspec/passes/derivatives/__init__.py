"""Reverse-mode differentiation of graphs, for formats without gradients: each `Grad` becomes what computes it."""

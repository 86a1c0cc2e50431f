"""Distributions: the names a spec calls, and what a call becomes. The formulas behind them are nobody else's matter."""

from __future__ import annotations

from dlspec.elaborate.distributions.calls import DISTRIBUTIONS, FUNCTIONS, Entry, asks, call, priors

__all__ = ["DISTRIBUTIONS", "FUNCTIONS", "Entry", "asks", "call", "priors"]

"""Lets the tests of this folder import what they share, and the comparison of shapes that the backend's tests have."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "backends")]
torch.set_num_threads(1)

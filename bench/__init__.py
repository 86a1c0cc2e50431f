"""Benchmarks: what dlspec takes, beside the floor and its peers, in one run."""

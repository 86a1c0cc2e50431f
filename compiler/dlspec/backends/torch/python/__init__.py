"""Python as trees of expressions: names that a class has, sums of them, what they come to, and how ruff lays them out."""

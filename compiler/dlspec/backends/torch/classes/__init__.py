"""Modules of one declaration become one class, and the turns of a loop one text."""

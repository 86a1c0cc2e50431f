"""Graphs of graphs, a file for each: from a graph to another one, which the first does not notice."""

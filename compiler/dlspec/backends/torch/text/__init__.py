"""The text of a module file: classes, their forwards, the network's documentation, and the training beside it."""

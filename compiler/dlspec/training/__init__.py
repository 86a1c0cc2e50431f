"""`dlspec train`: data, batches, the loop, its checkpoints and what it writes. torch is imported inside functions only."""

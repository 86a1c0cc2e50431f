"""What a `train` is made of: optimizers, augmentations, schedules, and the train itself."""

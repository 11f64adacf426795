"""From files to batches: sources of pairs, their format, their order, augmentation."""

"""From files to batches: where pairs come from, which belong together, in which order."""

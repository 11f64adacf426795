"""A run on disk: its folder, checkpoints, tables, record, and the generator that comes out."""

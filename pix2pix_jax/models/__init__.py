"""The networks: blocks, builders and shapes, initial values, the reference's weights."""

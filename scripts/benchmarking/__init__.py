"""Measure what a step costs, and compare it with the PyTorch reference."""

"""What a step costs: timed, counted, and side by side with the PyTorch reference."""

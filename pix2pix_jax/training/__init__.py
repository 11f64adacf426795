"""The method: losses, the step, and the run from its config to its last checkpoint."""

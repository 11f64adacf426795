"""Several runs side by side: scores, curves and the same pictures of each."""

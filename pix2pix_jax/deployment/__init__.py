"""From a run to where it is needed: files for other programs, and a small server."""

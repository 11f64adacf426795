"""From a run to where it is needed: files for other programs, a page, and a small server."""

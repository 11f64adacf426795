"""Pages to look at: of a run, of several runs, and their charts."""

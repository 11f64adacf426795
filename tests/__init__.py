"""The tests; and attacks on whole runs, which are started by hand."""

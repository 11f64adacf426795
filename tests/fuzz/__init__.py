"""Fuzzing: readers get damaged input, and must either take it or refuse it in one line."""

"""Attacks on whole runs, started by hand: each takes minutes, and prints a table of what held."""

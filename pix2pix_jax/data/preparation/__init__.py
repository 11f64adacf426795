"""Data sets before training: look for mistakes, and bring files into the form that is read."""

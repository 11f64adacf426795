"""Prepare data sets: look for errors, and convert files to a form that training reads."""

"""Compile a step for a device that is not here, and read what the compiler made of it."""

"""The one error that a user can cause, and mend."""


class InputError(ValueError):
    """Something from outside is wrong: a config value, a file, a flag, the shape of an array.

    Its message is one line that names the value, where it came from and the way out. Scripts print
    that line and exit with status 2; every other exception is a bug of the package and keeps its
    traceback.
    """

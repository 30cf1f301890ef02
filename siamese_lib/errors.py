"""Exceptions for input from outside."""


class InputError(ValueError):
    """Input from outside the program that cannot be used: a file, a setting, a parameter.

    The message names the file or setting, the value found and the remedy. The command line prints it as one
    line and exits with 2.
    """


class NotFinite(InputError, FloatingPointError):
    """A loss, an embedding or a weight that is infinite or no number: the training has diverged."""


class NotThere(InputError):
    """Data that this machine does not have, and that a run can go on without; the message says how to get
    it.
    """

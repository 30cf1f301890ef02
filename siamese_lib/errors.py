"""The one exception for bad input."""


class InputError(ValueError):
    """Input from outside the program that cannot be used: a file, a setting, a parameter.

    The message names the file or setting, the value found and the remedy. The command line prints it as one line and exits with 2.
    """

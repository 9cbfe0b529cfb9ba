"""What a script of the gallery needs when it is run by hand."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter


def command_line(description: str | None, *, device: bool = False) -> Namespace:
    """Read the command line of a script; a notebook has none.

    Parameters
    ----------
    description
        What ``--help`` says of the script: its docstring.
    device
        Whether it has an option ``--device``.

    Returns
    -------
    options
        What was given, ``device`` only if the script has that option.

    Examples
    --------
    >>> from dlnotes.lab.script import command_line
    >>> command_line("Counts sheep.", device=True).device is None
    True
    """
    parser = ArgumentParser(
        description=description, formatter_class=RawDescriptionHelpFormatter
    )
    if device:
        from dlnotes.lab.device import add_device_argument

        add_device_argument(parser)
    # In a notebook the arguments are those of its kernel, and there is no file.
    by_hand = sys.argv[:1] == [getattr(sys.modules["__main__"], "__file__", None)]
    return parser.parse_args(sys.argv[1:] if by_hand else [])

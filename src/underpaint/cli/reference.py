"""docs/cli.md: every command with its options and defaults, as click prints them.

`python -m underpaint.cli.reference > docs/cli.md` writes it; a test holds the page to the code.
"""

import click

from .main import COMMANDS, main

_WIDTH = 100
_HEAD = """\
# Command line

Written by `python -m underpaint.cli.reference > docs/cli.md` from the commands themselves.

A command prints its result on stdout and says how far it is on stderr. It exits with 0 when it is
done, with 1 and one line when something can be put right ([errors](errors.md)), and with 2 when it
was called wrongly. `--json` prints for programs.
"""


def reference() -> str:
    """Write the help of every command, in the order of `underpaint --help`, as one page."""
    parts = [_HEAD]
    top = click.Context(main, info_name="underpaint", terminal_width=_WIDTH)
    for name in COMMANDS:
        command = main.get_command(top, name)
        if command is None:
            raise LookupError(name)
        ctx = click.Context(command, info_name=name, parent=top, terminal_width=_WIDTH)
        parts.append(f"## {name}\n\n```text\n{command.get_help(ctx)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    click.echo(reference(), nl=False)

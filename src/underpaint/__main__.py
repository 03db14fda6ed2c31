"""`python -m underpaint`: the same as `underpaint`."""

from .cli.main import main

main(prog_name="underpaint")

"""docs/cli.md says what the commands say of themselves."""

from pathlib import Path

from underpaint.cli.main import COMMANDS
from underpaint.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_of_commands_is_what_they_say():
    found = PAGE.read_text(encoding="utf-8")
    assert found == reference(), "run: python -m underpaint.cli.reference > docs/cli.md"


def test_every_command_and_its_defaults_are_on_the_page():
    found = PAGE.read_text(encoding="utf-8")
    assert all(f"\n## {name}\n" in found for name in COMMANDS)
    assert "--steps INTEGER" in found
    assert "[default: 15" in found

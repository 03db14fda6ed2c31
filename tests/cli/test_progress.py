"""What is told of long work where there is no terminal: lines, a minute apart."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from underpaint.cli.progress import Lines, progress_bar, reporting


@pytest.fixture
def told():
    """Give lines on a clock of one's own, and what they wrote."""
    now, written = [0.0], io.StringIO()
    return Lines(Console(file=written, width=80), clock=lambda: now[0]), now, written


def test_a_line_is_written_every_minute_with_the_time_left(told):
    lines, now, written = told
    with lines as bar:
        task = bar.add_task("training pictures", total=100)
        for second in range(0, 151, 10):  # 16 at once, then 2 every 10 s
            now[0] = float(second)
            bar.update(task, completed=16 + second // 5)
    assert written.getvalue().splitlines() == [
        "training pictures: 28 of 100, about 6 min 00 s left",
        "training pictures: 40 of 100, about 5 min 00 s left",
    ]


def test_a_stage_that_is_done_says_so_once_and_at_once(told):
    lines, _, written = told
    with lines as bar:
        task = bar.add_task("classes", total=None)
        for done in (5, 10, 10):
            bar.update(task, completed=done, total=10)
    assert written.getvalue() == "classes: 10 of 10\n"


def test_hours_are_said_as_hours(told):
    lines, now, written = told
    with lines as bar:
        task = bar.add_task("held-out pictures", total=1000)
        bar.update(task, completed=0)
        now[0] = 90.0
        bar.update(task, completed=10)
    assert written.getvalue() == "held-out pictures: 10 of 1000, about 2 h 28 min left\n"


def test_a_pipe_gets_lines(capsys):
    assert isinstance(progress_bar(), Lines)
    with reporting() as report:
        report("training pictures", 24, 24)
    assert capsys.readouterr().err == "training pictures: 24 of 24\n"


def test_a_cell_of_a_notebook_gets_lines_though_it_has_a_terminal(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    assert type(progress_bar()) is Progress
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert type(progress_bar()) is Lines

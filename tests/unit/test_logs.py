"""How lines of the log are written: by a thread of their own, whoever reads them."""

import json
import os
import threading

import pytest

from hsp_otp.entrypoints.logs import LineWriter, as_text


@pytest.fixture
def pipe() -> tuple[int, int]:
    """Both ends of one; they stay open, because a writer may still write into the second."""
    return os.pipe()


def test_lines_arrive_in_their_order(pipe: tuple[int, int]) -> None:
    """Each in a line of its own, in UTF-8."""
    out, into = pipe
    writer = LineWriter(into)
    for number in range(100):
        writer.msg(f"{number} ü")
    with os.fdopen(os.dup(out), encoding="utf-8") as reader:
        assert [reader.readline() for _ in range(100)] == [f"{n} ü\n" for n in range(100)]


def test_whoever_does_not_read_holds_nobody_up(pipe: tuple[int, int]) -> None:
    """Far more than fits into a pipe is taken at once; what is lost is told once somebody reads."""
    out, into = pipe
    writer = LineWriter(into)
    many = 40_000
    for number in range(many):
        writer.msg(f"{number:0100d}")
    kept: list[int] = []
    lost: list[int] = []

    def read() -> None:
        with os.fdopen(os.dup(out)) as reader:
            while len(kept) + sum(lost) < many:
                line = reader.readline()
                if "log_lines_lost" in line:
                    lost.append(json.loads(line)["lines"])
                else:
                    kept.append(int(line))

    reading = threading.Thread(target=read)
    reading.start()
    reading.join(60)
    assert lost
    assert len(kept) + sum(lost) == many
    assert kept == sorted(kept)


def test_half_a_character_is_written_all_the_same(pipe: tuple[int, int]) -> None:
    """Nothing that somebody sends ends the log."""
    out, into = pipe
    LineWriter(into).msg("\ud800")
    with os.fdopen(os.dup(out)) as reader:
        assert reader.readline() == "\\ud800\n"


def test_a_reader_who_has_gone(pipe: tuple[int, int]) -> None:
    """The service goes on."""
    out, into = pipe
    os.close(out)
    writer = LineWriter(into)
    for _ in range(3):
        writer.msg("anybody?")
        writer.flush()


def test_a_line_for_people() -> None:
    """As the library shows it on a terminal, in the same columns."""
    line = as_text(
        None,
        "info",
        {
            "timestamp": "2026-11-30T02:00:00Z",
            "level": "info",
            "event": "request",
            "b": 1,
            "a": "x",
        },
    )
    assert line == "2026-11-30T02:00:00Z [info     ] request                        a=x b=1"

"""How far work has come: lines of the log where there is no terminal."""

import fcntl
import io
import logging
import os
import pty
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import Compose, run

from ctrbench import progress
from ctrbench.progress import Progress


@pytest.mark.parametrize(("every", "lines"), [(0.0, 4), (1000.0, 0)])
def test_a_line_now_and_then(
    every: float,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "LINE_S", every)
    with caplog.at_level("INFO"), Progress("encoded", total=8000) as work:
        for _ in range(4):
            work.update(2000)
    said = [record.message for record in caplog.records if "encoded" in record.message]
    assert len([line for line in said if not line.startswith("encoded: 0.00 ")]) == lines
    assert not lines or said[-1].startswith("encoded: 8.00k of 8.00k rows, 100 %, ")
    assert capfd.readouterr().err == ""


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A pseudo-terminal of 100 columns as stderr, that the log goes to; what is written to it."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    written: list[bytes] = []

    def read() -> None:
        while not written or END not in written[-1]:
            written.append(os.read(reader, 65536))

    thread = threading.Thread(target=read)
    thread.start()
    with os.fdopen(writer, "w", buffering=1) as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        root, handler = logging.getLogger(), logging.StreamHandler(stream)
        patch.setattr(root, "handlers", [handler])
        patch.setattr(root, "level", logging.INFO)
        yield written
        stream.write(END.decode())
        stream.flush()
        thread.join(10)
    os.close(reader)


END = b"\x00"


def screen(written: bytes) -> list[str]:
    """The lines that a terminal shows in the end."""
    lines = []
    for line in written.decode().split("\n"):
        shown = ""
        for piece in line.split("\r"):
            shown = piece + shown[len(piece) :]
        lines.append(shown.rstrip())
    return lines


def test_a_bar_that_was_restarted_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BAR_S", 0.0)
    with terminal(monkeypatch) as written:
        with Progress("first", total=8) as work:
            work.delay = 100.0  # of which the second part takes less
            work.update(8)
            work.restart("second")
            work.update(4)
        logging.getLogger("ctrbench").info("the next line")
    assert screen(b"".join(written).replace(END, b"")) == ["the next line", ""]


def test_a_run_at_a_terminal(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar says which epoch it is, and is gone before the next line."""
    monkeypatch.setattr(progress, "BAR_S", 0.01)
    own = settings("model=lr", "trainer.epochs=3", "trainer.batch_size=8", "trainer.patience=9")
    with terminal(monkeypatch) as written:
        run(own)
        logging.getLogger("ctrbench").info("the next line")
    raw = b"".join(written)
    for epoch in (1, 2, 3):
        assert f"\repoch {epoch} of at most 3: ".encode() in raw
    assert b"of at most 3::" not in raw and b"epoch 4" not in raw
    lines = screen(raw.replace(END, b""))
    assert not [line for line in lines if "%|" in line]
    assert lines[-2:] == ["the next line", ""]


def test_an_activity_shows_itself_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only at a terminal, and not where the work is quick."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stderr, seconds, is_shown in (
        (Terminal(), 0.4, True),
        (Terminal(), 0.0, False),
        (io.StringIO(), 0.4, False),
    ):
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setattr(progress, "ACTIVITY_S", 0.1)
        monkeypatch.setattr(progress, "BAR_S", 0.05)
        with progress.Activity("reading") as activity:
            activity.now = "figure8"
            time.sleep(seconds)
        assert ("reading figure8" in stderr.getvalue()) == is_shown
        assert stderr.getvalue().rpartition("\r")[2].strip() == ""

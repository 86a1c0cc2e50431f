"""Files appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from handmade import ENVIRONMENT

from dlspec.backends.files import replacing, write_all, write_bytes

OLD, NEW = b"old" * 1000, b"new" * 2000


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "x.onnx"
    write_bytes(target, OLD)
    assert target.read_bytes() == OLD
    write_bytes(target, NEW)
    assert target.read_bytes() == NEW
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    target, data = tmp_path / "x.onnx", tmp_path / "x.onnx.data"
    target.write_bytes(OLD)

    def fail() -> None:
        with replacing(data, target) as (data_file, file):
            write_all(data_file, NEW)
            write_all(file, NEW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [target]


def test_a_second_file_that_cannot_be_opened_leaves_no_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a", tmp_path / "missing" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_files_take_their_places_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    replace = os.replace

    def record(source: Path, target: Path) -> None:
        placed.append(target.name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", record)
    with replacing(tmp_path / "x.data", tmp_path / "x") as (data, file):
        write_all(file, NEW)
        write_all(data, NEW)
    assert placed == ["x.data", "x"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(OLD)
    link.symlink_to(target)
    write_bytes(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_a_device_is_written_and_stays() -> None:
    write_bytes("/dev/null", NEW)
    assert not Path("/dev/null").is_file()
    assert Path("/dev/null").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_bytes("/dev/full", NEW)


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    orphan = tmp_path / f".x.onnx.{gone.pid}.dlspec-part"
    of_another_file = tmp_path / f".y.onnx.{gone.pid}.dlspec-part"
    of_a_living_process = tmp_path / f".x.onnx.{os.getppid()}.dlspec-part"
    for path in (orphan, of_another_file, of_a_living_process):
        path.write_bytes(OLD)
    write_bytes(tmp_path / "x.onnx", NEW)
    assert not orphan.exists()
    assert of_another_file.exists()
    assert of_a_living_process.exists()


SLOW_WRITER = """
import sys
from dlspec.backends.files import replacing, write_all
with replacing(sys.argv[1]) as (file,):
    print("writing", flush=True)
    for _ in range(400):
        write_all(file, bytes(1 << 20))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.06])
def test_killed_in_the_middle_the_old_file_is_whole(tmp_path: Path, delay: float) -> None:
    target = tmp_path / "x.onnx"
    target.write_bytes(OLD)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(target)], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = [path for path in tmp_path.iterdir() if path != target]
    assert len(left) == 1, "it was not killed while it wrote"
    assert target.read_bytes() == OLD
    write_bytes(target, NEW)
    assert list(tmp_path.iterdir()) == [target]

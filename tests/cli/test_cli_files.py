"""Files of strangers at each boundary: one diagnostic with the name of the file, no traceback, nothing of other files."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import Call
from numpy.typing import NDArray
from PIL import Image

from dlspec.backends.archives import TooLarge, open_archive
from dlspec.backends.arrays import load_numpy
from dlspec.backends.images import read_image
from dlspec.backends.runtime import RunError
from dlspec.pipeline import check

NET = "from {} import B\nnetwork A(x: float[N, 4]) -> y {{ x -> B }}\n"
BLOCK = "block B { Linear(2) }\n"
SECRET = "root:x:0:0:secret\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `.git`, in another one that has specs and secrets too."""
    for path, text in {
        "b.dlspec": BLOCK,
        "secret.dlspec": SECRET,
        "secret": SECRET,
        "p/b.dlspec": BLOCK,
        "p/q/b.dlspec": BLOCK,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "p/.git").mkdir()
    monkeypatch.chdir(tmp_path / "p/q")
    return tmp_path / "p"


@pytest.mark.parametrize("imported", [".b", "..b"])
def test_imports_inside_the_project(imported: str, project: Path) -> None:
    Path("a.dlspec").write_text(NET.format(imported))
    assert list(check("a.dlspec")) == []


@pytest.mark.parametrize("imported", ["...b", "...secret", "...nothing", "...etc.passwd", "." * 40 + "etc.passwd"])
def test_imports_out_of_the_project(imported: str, project: Path, call: Call) -> None:
    os.chdir(project / "q")
    Path("a.dlspec").write_text(NET.format(imported))
    status, _, err = call("check", "a.dlspec")
    assert (status, err.count("error[")) == (1, 1)
    assert f"error[DL0404]: this import leads out of the project's folder {project}" in err
    assert "secret:" not in err
    if imported == "...b":
        for command in (["check"], ["summary"], ["compile", "-o", "a.onnx"], ["verify"]):
            assert call(*command, "a.dlspec", "--project", "../..")[0] == 0


def test_links_that_lead_out(project: Path, call: Call) -> None:
    os.chdir(project / "q")
    Path("out.dlspec").symlink_to(project.parent / "secret.dlspec")
    Path("text.dlspec").symlink_to(project / "notes.txt")
    (project / "notes.txt").write_text(SECRET)
    Path("in.dlspec").symlink_to(project / "b.dlspec")
    for name, message in (
        ("out", "leads out of the project's folder"),
        ("text", "text.dlspec is a link to a file that is no spec"),
    ):
        Path("a.dlspec").write_text(NET.format(f".{name}"))
        status, _, err = call("check", "a.dlspec")
        assert (status, message in err, "secret" in err) == (1, True, False)
    Path("a.dlspec").write_text(NET.format(".in"))
    assert call("check", "a.dlspec")[0] == 0


def test_without_a_mark_the_working_folder_is_the_project(tmp_path: Path, call: Call) -> None:
    (tmp_path / "nets").mkdir()
    Path("b.dlspec").write_text(BLOCK)
    Path("nets/a.dlspec").write_text(NET.format("..b"))
    assert call("check", "nets/a.dlspec")[0] == 0
    os.chdir("nets")
    assert "leads out of the project's folder" in call("check", "a.dlspec")[2]
    assert call("check", "a.dlspec", "--project", "..")[0] == 0


BAD_IMPORTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "not UTF-8": (
        lambda path: path.write_bytes(b"# fine\nblock B { \xff secret"),
        "line 2 of b.dlspec is not UTF-8 text",
    ),
    "a folder": (Path.mkdir, "there is no file b.dlspec"),
    "a pipe": (os.mkfifo, "there is no file b.dlspec"),
    "too large": (lambda path: path.write_bytes(b"#" * (1 << 24) + b"\n"), "b.dlspec cannot be read: it is too large"),
}


@pytest.mark.parametrize("name", BAD_IMPORTS)
def test_imports_that_cannot_be_read(name: str, call: Call) -> None:
    make, message = BAD_IMPORTS[name]
    make(Path("b.dlspec"))
    Path("a.dlspec").write_text(NET.format(".b"))
    status, _, err = call("check", "a.dlspec")
    assert (status, err.count("error["), message in err, "secret" in err) == (1, 1, True, False)


def test_lines_of_what_is_no_spec_are_not_shown(call: Call) -> None:
    Path("notes.txt").write_text(SECRET)
    Path("link.dlspec").symlink_to("notes.txt")
    Path("bytes.dlspec").write_bytes(b"secret \xff")
    for name in ("notes.txt", "link.dlspec", "bytes.dlspec"):
        status, _, err = call("check", name)
        assert (status, "secret" in err, f"{name}:1:" in err) == (1, False, True)


def png(width: int, height: int) -> bytes:
    """The head of an image of that size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def eps() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


BAD_IMAGES = {
    "empty": (b"", "not an image that can be read"),
    "text": (SECRET.encode(), "not an image that can be read"),
    "of another format, which runs a program": (eps(), "not an image that can be read"),
    "a bomb that Pillow knows": (png(60_000, 60_000), "not an image that can be read"),
    "a bomb": (png(12_000, 12_000), "are the most that are decoded"),
    "cut off": (png(64, 64), "not an image that can be read"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_images_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    content, message = BAD_IMAGES[name]
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        read_image(path, 3)
    assert str(path) in caught.value.message


def test_grey_of_16_bits_is_scaled(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (5, 7)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    np.testing.assert_allclose(read_image(tmp_path / "x.png", 1), values[None] / 65535, atol=1e-6)
    with pytest.raises(RunError, match="grey with 16 bits"):
        read_image(tmp_path / "x.png", 3)


@pytest.mark.parametrize("values", [np.full((5, 7), 0.5, np.float32), np.full((5, 7), 70_000, np.int32)])
def test_pixels_of_unknown_scale_are_refused(values: NDArray[Any], tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "x.tiff")
    for channels in (1, 3):
        with pytest.raises(RunError, match=r"x\.tiff has pixels beyond 16 bits") as caught:
            read_image(tmp_path / "x.tiff", channels)
        assert ".npy" in caught.value.hint


def test_archives_that_unpack_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(1030):
            member.write(bytes(1 << 20))
    with pytest.raises(RunError, match="would unpack to") as caught:
        load_numpy(path)
    assert str(path) in caught.value.message
    with pytest.raises(TooLarge):
        open_archive(path)
    np.savez_compressed(path, x=np.zeros((1000, 1000)))
    assert load_numpy(path)["x"].shape == (1000, 1000)  # type: ignore[index]


def test_a_head_that_promises_too_much(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    (tmp_path / "x.npy").write_bytes(buffer.getvalue() + bytes(64))
    for mapped in (False, True):
        with pytest.raises(RunError, match="is not a NumPy file that can be read"):
            load_numpy(tmp_path / "x.npy", map_file=mapped)

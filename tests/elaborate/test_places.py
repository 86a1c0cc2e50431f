"""Where specs are read: the same findings from disk, from memory and from unsaved texts, and no disk behind their back."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import NoReturn

import pytest

from dlspec.files import DISK, Disk, Files, InMemory, Unsaved, read_source, spec_path
from dlspec.pipeline import check, check_source, elaborate, files_of, open_program
from dlspec.source import Source

SHIPPED = {f"std/{path.name}": path.read_text(encoding="utf-8") for path in Disk().library.glob("*.dlspec")}
PARTS = "block Body(w) { Conv(w, 3) -> ReLU }\n"
MAIN = "from .parts import Body\nnetwork A(x: float[N, 3, 8, 8]) -> y { x -> Body(4) }\n"


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    check_source(Source("warm", MAIN.splitlines()[1]), InMemory({}))  # what is read once, the grammar, is read

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the disk is touched")

    for name in (
        "open",
        "read_text",
        "read_bytes",
        "resolve",
        "absolute",
        "is_file",
        "is_dir",
        "exists",
        "stat",
        "glob",
    ):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(builtins, "open", refuse)


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.usefixtures("no_disk")
def test_shipped_specs_from_memory(name: str) -> None:
    assert list(check(name, InMemory(SHIPPED))) == []


@pytest.mark.usefixtures("no_disk")
def test_neighbours_in_memory() -> None:
    files = InMemory({"here/main.dlspec": MAIN, "here/parts.dlspec": PARTS, "up.dlspec": PARTS.replace("3", "9")})
    graph = elaborate(open_program("here/main.dlspec", files), "A")
    assert str(graph.outputs[0].value.type) == "float[N, 4, 6, 6]"
    main = read_source(Path("here/main.dlspec"), "main.dlspec", files)
    assert [str(path) for path in files_of(main, files)] == ["here/main.dlspec", "here/parts.dlspec"]
    (found,) = check_source(Source("m", MAIN.replace(".parts", "..up"), Path("here/../here/main.dlspec")), files)
    assert (found.code, found.span.source.name) == ("DL0203", "up.dlspec")
    (found,) = check_source(Source("m", MAIN.replace(".parts", ".part"), Path("here/main.dlspec")), files)
    assert (found.code, found.hint) == ("DL0404", "did you mean `parts`?")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("main.dlspec").write_text(MAIN)
    Path("parts.dlspec").write_text(PARTS)
    return tmp_path


def codes(files: Files, path: str | Path = "main.dlspec") -> list[str]:
    return [found.code for found in check(path, files)]


@pytest.mark.parametrize("path", ["parts.dlspec", "./other/../parts.dlspec", "PARTS"])
def test_unsaved_texts_stand_in_for_files(saved: Path, path: str) -> None:
    path = path.replace("PARTS", str(saved / "parts.dlspec"))
    assert codes(DISK) == codes(DISK, saved / "main.dlspec") == []
    unsaved = Unsaved({path: PARTS.replace("Body", "Rest")})
    assert codes(unsaved) == codes(unsaved, saved / "main.dlspec") == ["DL0405"]


def test_unsaved_texts_that_are_no_files_yet(saved: Path) -> None:
    unsaved = Unsaved({"new.dlspec": PARTS, "main.dlspec": MAIN.replace(".parts", ".new")})
    assert codes(unsaved) == []
    assert unsaved.siblings(saved / "main.dlspec") == ["main", "new", "parts"]
    assert [path.name for path in files_of(read_source(Path("main.dlspec"), "m", unsaved), unsaved)] == [
        "main.dlspec", "new.dlspec",
    ]  # fmt: skip


def test_what_cannot_be_read(saved: Path) -> None:
    Path("parts.dlspec").write_bytes(PARTS.encode() + b"# \xff\n")
    found = list(check("main.dlspec"))
    assert [(each.code, each.span.source.name, each.message) for each in found] == [
        ("DL0404", "main.dlspec", "line 2 of parts.dlspec is not UTF-8 text: byte 0xff cannot stand here")
    ]
    assert [each.code for each in check("parts.dlspec")] == ["DL0606"]
    with pytest.raises(FileNotFoundError):
        check("nowhere.dlspec")
    with pytest.raises(FileNotFoundError):
        InMemory({}).read(Path("nowhere.dlspec"))


def test_names_of_the_library(saved: Path) -> None:
    memory = InMemory(SHIPPED)
    assert spec_path("std.lenet", memory) == Path("std/lenet.dlspec")
    assert spec_path("std.lenet", InMemory({"std.lenet": ""})) == Path("std.lenet")
    assert spec_path("std.lenet") == DISK.library / "lenet.dlspec"

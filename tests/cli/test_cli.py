from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from calls import RESNET, ROOT, TINY, Call

from dlspec import __version__
from dlspec.codes import CODES
from dlspec.elaborate.distributions import DISTRIBUTIONS
from dlspec.elaborate.distributions import FUNCTIONS as ASKED
from dlspec.ops import FUNCTIONS, LAYERS


def process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dlspec", *arguments], capture_output=True, cwd=cwd, check=False, env=env()
    )


def env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "compiler")}


# Calls that are wrong, with what stderr says of them.
WRONG_CALLS: list[tuple[list[str], str, str]] = [
    ([], "required: COMMAND", "see `dlspec --help`"),
    (["sumary", "tiny.dlspec"], "there is no command 'sumary'", "--help"),
    (["summary"], "required: FILE[:NETWORK]", "see `dlspec summary --help`"),
    (["summary", "nowhere.dlspec"], "nowhere.dlspec: No such file", ""),
    (["summary", "."], ".: Is a directory", ""),
    (["summary", "tiny.dlspec:Tny"], "declares no network `Tny`", "did you mean `Tiny`?"),
    (["summary", "tiny.dlspec", "--size", "Q=3"], "`Tiny` has no size `Q`", "it has N, H, W"),
    (["summary", "tiny.dlspec", "--size", "H=0"], "a size is a positive int", ""),
    (["summary", "tiny.dlspec", "--size", "H=1.5"], "a size is a positive int", ""),
    (["summary", "tiny.dlspec", "--size", "H"], "write --size name=value", ""),
    (["summary", "tiny.dlspec", "--set", "clases=3"], "has no setting `clases`", "did you mean `classes`?"),
    (["summary", "tiny.dlspec", "--set", "image=3"], "has no setting `image`", "it has classes, steps, act"),
    (["summary", "tiny.dlspec", "--set", "classes"], "write --set name=value", ""),
    (["summary", "tiny.dlspec", "--set", "steps=[1,"], "DL0104", "^"),
    (["summary", "tiny.dlspec", "--set", "classes=3\nblock A { ReLU }"], "the value is one number", ""),
    (["summary", "tiny.dlspec", "--depth", "0"], "0 is not a positive int", ""),
    (["summary", "tiny.dlspec", "--tree", "--format", "json"], "--tree goes with --format table only", ""),
    (["summary", RESNET, "--size", "H=64"], "declares 7 networks", "resnet.dlspec:ResNet18"),
    (["compile", RESNET, "-o", "x.onnx"], "declares 7 networks: say which", "resnet.dlspec:ResNet18"),
    (["compile", "tiny.dlspec", "-o", "x.h5"], "error[DL0607]: cannot write a .h5 file", "formats are .onnx, .py, .json"),
    (["compile", "tiny.dlspec", "-o", "x.svg"], "cannot write a .svg file", "`dlspec draw` writes .svg files"),
    (["compile", "tiny.dlspec", "-o", "x"], "cannot write a file without an ending", "the formats are"),
    (["compile", "tiny.dlspec", "-o", "no/x.onnx"], "cannot write no/x.onnx: No such file", ""),
    (["compile", "tiny.dlspec", "-o", "x.json", "--opset", "20"], "--opset is for .onnx files", ""),
    (["compile", "tiny.dlspec", "-o", "x.onnx", "--opset", "99"], "opset 99 cannot be written", ""),
    (["compile", "tiny.dlspec", "-o", "x.onnx", "--weights", "no.safetensors"], "DL0601", ""),
    (["compile", "tiny.dlspec", "-o", "x.onnx", "--weights", "tiny.dlspec"], "DL0601", ""),
    (["compile", "tiny.dlspec", "-o", "x.onnx", "--weights", "w", "--seed", "1"], "give one of the two", ""),
    (["run", "tiny.dlspec", "--provider", "abacus"], "there is no provider `abacus`", ""),
    (["run", "tiny.dlspec", "--size", "H=7"], "DL0401", "H % 2 == 0"),
    (["summary", "tiny.dlspec", "--set", "classes=three"], "DL0305", '"three"'),
    (["ops", "Cnv"], "there is no layer or function `Cnv`", "did you mean `Conv`"),
    (["explain", "DL0999"], "there is no code DL0999", ""),
    (["fmt", "nowhere.dlspec"], "nowhere.dlspec: No such file", ""),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message", "hint"), WRONG_CALLS, ids=[" ".join(c[0])[-50:] for c in WRONG_CALLS])
def test_a_wrong_call(arguments: list[str], message: str, hint: str, call: Call) -> None:
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error")
    assert message in err
    assert hint in err
    assert "Traceback" not in err
    assert [path.name for path in Path().iterdir()] == ["tiny.dlspec"]


def test_a_file_that_cannot_be_read(call: Call) -> None:
    Path("locked.dlspec").write_text(TINY)
    Path("locked.dlspec").chmod(0)
    if os.access("locked.dlspec", os.R_OK):
        pytest.skip("this user reads everything")
    assert call("summary", "locked.dlspec") == (2, "", "error: locked.dlspec: Permission denied\n")


def test_check_reports_everything_and_goes_on(call: Call) -> None:
    Path("bad.dlspec").write_text("network A(x: float[N, 3]) -> y { x -> Liner(4) -> Linear(4, biass=false) }\n")
    status, out, err = call("check", "bad.dlspec", "tiny.dlspec")
    assert (status, out) == (1, "tiny.dlspec: ok\n")
    assert "error[DL0301]: there is no layer `Liner`\n --> bad.dlspec:1:39\n" in err
    assert err.endswith("bad.dlspec: 2 errors\n")
    status, out, err = call("check", "bad.dlspec", "nowhere.dlspec", "tiny.dlspec")
    assert (status, out) == (2, "tiny.dlspec: ok\n")
    assert "cannot read nowhere.dlspec: No such file" in err
    assert "DL0301" in err


def test_check_as_json(call: Call) -> None:
    Path("bad.dlspec").write_text("network A(x: float[N, 3]) -> y { x -> Liner(4) }\n")
    status, out, err = call("check", "--format", "json", "bad.dlspec", "tiny.dlspec")
    assert (status, err) == (1, "")
    (finding,) = json.loads(out)
    assert finding["code"] == "DL0301"
    assert (finding["file"], finding["line"], finding["column"], finding["end_column"]) == ("bad.dlspec", 1, 39, 44)
    assert finding["hint"].startswith("did you mean `Linear`")
    assert call("check", "--format", "json", "tiny.dlspec") == (0, "[]\n", "")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"network A\n  \xc3\x28", b"\x89PNG\r\n\0\0"])
def test_a_file_that_is_no_text(content: bytes, call: Call) -> None:
    Path("bad.dlspec").write_bytes(content)
    for command in ("check", "summary", "fmt"):
        status, out, err = call(command, "bad.dlspec")
        assert (status, out) == (1, "")
        assert "error[DL0606]: bad.dlspec is not UTF-8 text" in err
    assert Path("bad.dlspec").read_bytes() == content


def test_the_place_of_a_byte_that_is_no_text(call: Call) -> None:
    Path("bad.dlspec").write_bytes("é = 1\n層 ".encode() + b"\xc3\x28")
    assert " --> bad.dlspec:2:3\n" in call("check", "bad.dlspec")[2]


def test_summary_of_one_network(call: Call) -> None:
    status, out, err = call("summary", "tiny.dlspec", "--size", "H=16", "--set", "classes=5", "--format", "json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["inputs"][0]["shape"] == ["N", 1, 16, 8]
    assert found["outputs"][0]["shape"] == ["N", 5]
    assert found["totals"]["params"] == 4 * 10 + 5 * 5
    assert found["totals"]["macs"] == 14 * 6 * 4 * 9 + 20
    assert "Counted with      H = 16, W = 8, N = 1\n" in call("summary", "tiny.dlspec", "--size", "H=16")[1]


@pytest.mark.parametrize(
    ("setting", "params"),
    [
        ("classes=4", 40 + 20),
        ("classes=2 * 2", 40 + 20),
        ("steps=[2, 3]", 20 + 57 + 12),
        ('act="tanh"', 40 + 15),
        ("act=tanh", 40 + 15),
    ],
)
def test_settings_are_constants_of_the_language(setting: str, params: int, call: Call) -> None:
    status, out, err = call("summary", "tiny.dlspec", "--set", setting, "--format", "json")
    assert (status, err) == (0, "")
    assert json.loads(out)["totals"]["params"] == params
    assert ("Tanh" in out) == ("tanh" in setting)


def test_a_layer_as_a_setting(call: Call) -> None:
    Path("a.dlspec").write_text("network A(x: float[N, 8], act: layer = ReLU) -> y { x -> act }\n")
    assert '"op": "Tanh"' in call("summary", "a.dlspec", "--set", "act=Tanh", "--format", "json")[1]


def test_a_spec_that_is_wrong_anyway_is_not_the_calls_fault(call: Call) -> None:
    Path("bad.dlspec").write_text("network A(x: float[N, 3], c = 4) -> y { x -> Liner(c) }\n")
    assert call("summary", "bad.dlspec", "--set", "c=5")[0] == 1


def test_summary_of_several_networks(call: Call) -> None:
    status, out, _ = call("summary", RESNET)
    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 2 + 7
    assert re.search(r"^ResNet50 .* 25,557,032 +4,089,184,256 ", out, re.MULTILINE)
    found = json.loads(call("summary", RESNET, "--format", "json")[1])
    assert [each["network"] for each in found][:2] == ["ResNet18", "ResNet34"]
    assert all("layers" not in each for each in found)


NEEDS = """\
network Base(x: float[N, 4], act: layer, width = 3) -> y { x -> Linear(width) -> act }
network One = Base(ReLU)
"""


def test_a_network_that_needs_settings(call: Call) -> None:
    Path("needs.dlspec").write_text(NEEDS)
    assert call("check", "needs.dlspec")[0] == 0
    status, out, _ = call("summary", "needs.dlspec")  # the only one that stands by itself
    assert (status, "Params            15" in out) == (0, True)
    status, _, error = call("summary", "needs.dlspec:Base")
    assert (status, "DL0304" in error, "--set gives it" in error) == (1, True, True)
    status, out, _ = call("summary", "needs.dlspec:Base", "--set", "act=Tanh", "--set", "width=1")
    assert (status, "Settings          width = 1, act = Tanh" in out or "act = Tanh, width = 1" in out) == (0, True)
    assert call("summary", "needs.dlspec:One", "--set", "width=1")[0] == 0
    assert call("compile", "needs.dlspec", "-o", "x.py")[0] == 0
    assert "class Base" not in Path("x.py").read_text()
    Path("alone.dlspec").write_text(NEEDS.partition("network One")[0])
    for command in (
        ("compile", "alone.dlspec", "-o", "y.py"),
        ("verify", "alone.dlspec"),
        ("draw", "alone.dlspec", "-o", "y.dot"),
    ):
        status, _, error = call(*command)
        assert (status, "`Base` needs `act`" in error, [*Path().glob("y.*")]) == (1, True, [])
    status, _, error = call("summary", "needs.dlspec:Bse")
    assert (status, "did you mean `Base`?" in error) == (2, True)


def test_shipped_specs_by_name(call: Call) -> None:
    assert (
        call("summary", "std.resnet:ResNet18", "--format", "csv")[:2]
        == (call("summary", f"{RESNET}:ResNet18", "--format", "csv")[:2])
    )


def test_a_colon_in_a_file_name(call: Call) -> None:
    Path("a:b.dlspec").write_text(TINY)
    Path("a:Tiny").write_text(TINY)
    for name in ("a:b.dlspec", "a:b.dlspec:Tiny", "a:Tiny"):
        assert call("summary", name)[0] == 0


def test_compile_to_json(call: Call) -> None:
    status, out, err = call("compile", "tiny.dlspec", "-o", "tiny.json")
    assert (status, out, err) == (0, "wrote tiny.json\n", "")
    graph = json.loads(Path("tiny.json").read_text())
    assert graph["symbols"] == {"N": None, "H": 8, "W": 8}
    assert graph["preconditions"] == ["H % 2 == 0", "H >= 4", "W >= 3"]
    assert [node["op"] for node in graph["nodes"]] == ["Conv", "ReLU", "GlobalAvgPool", "Flatten", "Linear"]
    conv = graph["nodes"][0]
    assert conv["arguments"]["out_channels"] == 4
    assert conv["inputs"] == ["image"]
    assert conv["outputs"][0]["shape"] == ["N", 4, "H - 2", "W - 2"]
    assert [(p["path"], p["shape"]) for p in graph["parameters"]][-1] == ("fc.bias", [3])
    made = {"image"} | {output["name"] for node in graph["nodes"] for output in node["outputs"]}
    assert {name for node in graph["nodes"] for name in node["inputs"]} <= made
    assert {output["tensor"] for output in graph["outputs"]} <= made


def test_compile_to_onnx(call: Call) -> None:
    onnx = pytest.importorskip("onnx")
    status, out, _ = call("compile", "tiny.dlspec", "-o", "tiny.onnx", "--seed", "3", "--opset", "18")
    assert (status, out) == (0, "wrote tiny.onnx, 0.0 MB\n")
    model = onnx.load("tiny.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 18
    first = Path("tiny.onnx").read_bytes()
    call("compile", "tiny.dlspec", "-o", "tiny.onnx", "--seed", "3", "--opset", "18")
    assert Path("tiny.onnx").read_bytes() == first
    call("compile", "tiny.dlspec", "-o", "tiny.onnx", "--seed", "4", "--opset", "18")
    assert Path("tiny.onnx").read_bytes() != first
    assert sorted(path.name for path in Path().iterdir()) == ["tiny.dlspec", "tiny.onnx"]


def test_an_opset_that_is_too_old_leaves_no_file(call: Call) -> None:
    Path("a.dlspec").write_text(
        'network A(x: float[N, 3, 8, 8]) -> y { x -> Conv(4, 3, padding=1, padding_mode="circular") }\n'
    )
    status, _, err = call("compile", "a.dlspec", "-o", "a.onnx", "--opset", "13")
    assert status == 1
    assert "error[DL0501]" in err
    assert " --> a.dlspec:1:45\n" in err
    assert not Path("a.onnx").exists()


def test_a_spec_that_is_wrong_leaves_the_file_as_it_was(call: Call) -> None:
    Path("bad.dlspec").write_text("network A(x: float[N, 3]) -> y { x -> Liner(4) }\n")
    Path("bad.onnx").write_bytes(b"before")
    assert call("compile", "bad.dlspec", "-o", "bad.onnx")[0] == 1
    assert Path("bad.onnx").read_bytes() == b"before"


def test_fmt_in_place(call: Call) -> None:
    path = Path("ugly.dlspec")
    path.write_text("network   A(x:float[N,8])->y{x->Linear( 4 )}\n")
    path.chmod(0o600)
    status, out, _ = call("fmt", "--check", "ugly.dlspec", "tiny.dlspec")
    assert (status, out) == (1, "would format ugly.dlspec\n")
    assert "network   A" in path.read_text()
    assert call("fmt", "ugly.dlspec") == (0, "formatted ugly.dlspec\n", "")
    assert path.read_text() == "network A(x: float[N, 8]) -> y { x -> Linear(4) }\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert call("fmt", "--check", "ugly.dlspec") == (0, "", "")


def test_fmt_leaves_what_does_not_parse(call: Call) -> None:
    Path("bad.dlspec").write_text("network A( {\n")
    status, _, err = call("fmt", "bad.dlspec", "tiny.dlspec")
    assert status == 1
    assert "error[DL01" in err
    assert Path("bad.dlspec").read_text() == "network A( {\n"


def test_ops_lists_everything(call: Call) -> None:
    status, out, _ = call("ops")
    assert status == 0
    listed = {
        name
        for line in out.splitlines()
        if line.startswith("  ")
        for name in re.split(r"  +", line.strip())[0].split(", ")
    }
    pinned = {name for operator, _ in LAYERS.values() for name, _ in operator.pinned}
    aliases = {alias for operator in FUNCTIONS.values() for alias in operator.aliases}
    assert listed == (LAYERS.keys() - pinned) | (FUNCTIONS.keys() - aliases) | DISTRIBUTIONS.keys() | ASKED.keys()


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS.keys() | (ASKED.keys() - FUNCTIONS.keys())))
def test_ops_shows_distributions(name: str, call: Call) -> None:
    status, out, _ = call("ops", name)
    assert (status, out.partition("(")[0]) == (0, name)
    described = json.loads(call("ops", name, "--format", "json")[1])
    assert described["signature"] in out
    assert described["summary"] in out


@pytest.mark.parametrize("name", sorted({*LAYERS, *FUNCTIONS}))
def test_ops_shows_each(name: str, call: Call) -> None:
    status, out, _ = call("ops", name)
    assert status == 0
    assert name in out
    described = json.loads(call("ops", name, "--format", "json")[1])
    assert described["summary"] in out
    for argument in described["arguments"]:
        assert re.search(rf"^  {argument['name']} +{re.escape(argument['takes'])}", out, re.MULTILINE)


def test_a_signature_is_as_in_torch(call: Call) -> None:
    assert call("ops", "MaxPool2d")[1].startswith("MaxPool(kernel_size, stride=none, padding=0, dilation=1")


def test_explain(call: Call) -> None:
    assert call("explain", "dl0203")[1] == f"{CODES['DL0203']}\n"
    assert [line.split("  ")[0] for line in call("explain")[1].splitlines()] == list(CODES)


def test_version(call: Call) -> None:
    assert call("version") == (0, f"dlspec {__version__}\n", "")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.dlspec").write_text("network A(x: float[N, 8]) -> y { x -> repeat 20_000 { ReLU } }\n")
    command = [sys.executable, "-m", "dlspec", "summary", "a.dlspec", "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=env()) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == b"path,op,output_shape,params,macs,flops\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 141


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "waits.dlspec")
    command = [sys.executable, "-m", "dlspec", "summary", "waits.dlspec"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=env())
    with child, (tmp_path / "waits.dlspec").open("w"):  # the pipe opens once the command reads it
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=600)
    assert (child.returncode, out, err) == (130, b"", b"interrupted\n")


def test_no_colour_without_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "bad.dlspec").write_text("network A(x: float[N, 3]) -> y { x -> Liner(4) }\n")
    done = process("check", "bad.dlspec", cwd=tmp_path)
    assert done.returncode == 1
    assert b"\x1b" not in done.stderr


HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "rich", "networkx", "sympy")


@pytest.mark.parametrize(
    "arguments", [["check", RESNET], ["summary", f"{RESNET}:ResNet50"], ["ops"], ["explain", "DL0201"]]
)
def test_small_commands_import_nothing_large(arguments: list[str]) -> None:
    script = (
        "import sys; from dlspec.cli import main; status = main(sys.argv[1:]); "
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; "
        "print(loaded, file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, check=True, env=env())
    assert done.stderr == b"[]\n"


def test_importing_the_package_loads_nothing() -> None:
    script = "import sys, dlspec; print(sorted(name for name in sys.modules if name.startswith('dlspec')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=env())
    assert done.stdout == b"['dlspec']\n"

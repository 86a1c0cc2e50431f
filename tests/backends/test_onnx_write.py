"""Model files: the same bytes for the same input, in one file or two, whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from handmade import ENVIRONMENT, Net

from dlspec.backends.onnx import write as writing
from dlspec.backends.onnx.model import OnnxModel, build
from dlspec.backends.onnx.write import to_bytes, write
from dlspec.backends.runtime import run
from dlspec.diagnostics import DlspecError
from dlspec.ir.dims import symbol
from dlspec.ir.init import Init
from dlspec.ops.activation import ReLU
from dlspec.ops.linear import Linear
from dlspec.ops.norm import BatchNorm

N = symbol("N")


def network(hidden: int = 700, **arguments: Init) -> Net:
    net = Net({"x": (N, 20)})
    value = net.add("fc1", Linear(hidden), net.inputs["x"])
    value = net.add("relu", ReLU(), net.add("norm", BatchNorm(), value))
    value = net.add("fc2", Linear(hidden, **arguments), value)
    net.output("y", net.add("fc3", Linear(5), value))
    return net


def model() -> OnnxModel:
    return build(network().graph)


def result(path: Path) -> np.ndarray:
    return run(path, {"x": np.random.default_rng(0).standard_normal((3, 20), np.float32)})["y"]


def test_the_same_bytes_again_with_any_number_of_threads_and_in_another_process(tmp_path: Path) -> None:
    expected = to_bytes(model())
    for threads in (1, 2, 5):
        assert to_bytes(model(), threads=threads) == expected
        write(model(), tmp_path / "m.onnx", threads=threads)
        assert (tmp_path / "m.onnx").read_bytes() == expected
    script = "import sys; from test_onnx_write import *; write(model(), sys.argv[1])"
    other = tmp_path / "other" / "name.onnx"
    other.parent.mkdir()
    subprocess.run(
        [sys.executable, "-c", script, str(other)],
        env=ENVIRONMENT | {"PYTHONHASHSEED": "7"},
        cwd=tmp_path,
        check=True,
    )
    assert other.read_bytes() == expected
    assert to_bytes(build(network().graph, seed=1)) != expected


def test_no_paths_are_inside(tmp_path: Path) -> None:
    write(model(), tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    assert str(tmp_path).encode() not in content
    assert str(Path(__file__).parent.parent).encode() not in content


def test_a_large_model_keeps_its_weights_in_a_second_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    assert write(model(), one) == [one]
    assert write(model(), two, limit=one.stat().st_size - 1) == [two, tmp_path / "two.onnx.data"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.onnx", "two.onnx", "two.onnx.data"]
    assert two.stat().st_size < 20_000
    onnx.checker.check_model(str(two), full_check=True)
    np.testing.assert_array_equal(result(two), result(one))
    inside = {tensor.name: tensor.raw_data for tensor in onnx.load(one).graph.initializer}
    assert {tensor.name: tensor.raw_data for tensor in onnx.load(two).graph.initializer} == inside
    places = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in onnx.load(two, load_external_data=False).graph.initializer
    }
    assert places["fc3.bias"] == {}, "small weights stay in the model"
    assert places["fc2.weight"] == {"location": "two.onnx.data", "offset": str(2 * 65536), "length": str(700 * 700 * 4)}
    write(model(), one, limit=one.stat().st_size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.onnx", "two.onnx", "two.onnx.data"]


def test_given_weights_go_to_the_second_file_too(tmp_path: Path) -> None:
    graph = network().graph
    weights = {path: np.full(p.shape, 0.5, p.dtype.label) for path, p in graph.parameters.items()}
    write(build(graph, weights=weights), tmp_path / "two.onnx", limit=10_000)
    for tensor in onnx.load(tmp_path / "two.onnx").graph.initializer:
        if not tensor.name.startswith("constant/"):
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), weights[tensor.name])


def test_more_than_two_gibibytes_is_known_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network(hidden=24_000)
    assert net.graph.parameters["fc2.weight"].elements * 4 > 2**31

    def stop(layout: writing._Layout, threads: int | None) -> None:  # pyright: ignore[reportPrivateUsage]
        assert layout.__class__ is list
        raise InterruptedError

    monkeypatch.setattr(writing, "_written", stop)
    tracemalloc.start()
    large = build(net.graph)
    with pytest.raises(ValueError, match="more than a protobuf message can"):
        to_bytes(large)
    with pytest.raises(InterruptedError):
        write(large, tmp_path / "large.onnx")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    net = network(hidden=6_000)
    large = build(net.graph)
    tracemalloc.start()
    write(large, tmp_path / "large.onnx", threads=2, progress=lambda done, total: time.sleep(0.01))  # a slow disk
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (tmp_path / "large.onnx").stat().st_size
    assert size > 144_000_000
    assert peak < 48_000_000


def test_progress(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write(model(), tmp_path / "m.onnx", progress=lambda done, total: calls.append((done, total)))
    size = (tmp_path / "m.onnx").stat().st_size
    assert calls[-1] == (size, size)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    calls.clear()
    write(model(), tmp_path / "m.onnx", limit=10_000, progress=lambda done, total: calls.append((done, total)))
    size = (tmp_path / "m.onnx.data").stat().st_size
    assert calls[-1] == (size, size)


def test_a_weight_that_cannot_be_drawn_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    write(model(), target)
    old = target.read_bytes()
    broken = build(network(weight_init=Init("dirac")).graph)
    for limit in (10_000, 1 << 30):
        with pytest.raises(DlspecError, match="dirac"):
            write(broken, target, limit=limit)
        assert target.read_bytes() == old
        assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(model(), tmp_path / "missing" / "m.onnx")


SLOW = """
import sys
from test_onnx_write import *
large = build(network(hidden=7000).graph)
print("writing", flush=True)
write(large, sys.argv[1], threads=1, limit=int(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize(("limit", "delay"), [(1 << 30, 0.01), (1 << 30, 0.04), (10_000, 0.01), (10_000, 0.04)])
def test_killed_in_the_middle_the_old_model_is_whole(tmp_path: Path, limit: int, delay: float) -> None:
    target = tmp_path / "m.onnx"
    files = write(model(), target, limit=limit if limit == 10_000 else 1 << 30)
    old = [path.read_bytes() for path in files]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(target), str(limit)], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had ended before it was killed"
    process.stdout.close()
    assert [path.read_bytes() for path in files] == old
    onnx.checker.check_model(str(target))
    write(model(), target, limit=limit)
    assert sorted(tmp_path.iterdir()) == sorted(files)

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from graphs import graph_of, shipped

from dlspec import report
from dlspec.analyses.report import summarise, totals
from dlspec.analyses.written import written_op
from dlspec.ops import LAYERS
from dlspec.render import columns
from dlspec.tables import padded, shortened, wrapped

LENET = """
network A(image: float[N, 1, H = 8, W = 8], classes = 10) -> logits {
    image -> stem: { Conv(2, 3) -> ReLU } -> GlobalAvgPool -> Flatten -> fc: Linear(classes)
}
"""


def test_json_is_as_designed() -> None:
    found = summarise(graph_of(LENET)).to_json()
    assert list(found) == ["network", "inputs", "outputs", "preconditions", "totals", "layers"]
    assert found["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["N", 1, 8, 8]}]
    assert found["outputs"] == [{"name": "logits", "dtype": "float32", "shape": ["N", 10]}]
    assert found["preconditions"] == ["H >= 3", "W >= 3"]
    assert found["totals"] == {
        "params": 50,
        "trainable_params": 50,
        "buffers": 0,
        "macs": 2 * 36 * 9 + 20,
        "flops": 2 * 2 * 36 * 9 + 72 + 72 + found["layers"][2]["flops"] + 40 + 10,
        "weight_bytes": 200,
        "peak_memory_bytes": 2 * 72 * 4,
    }
    assert found["layers"][0] == {
        "path": "stem.0",
        "op": "Conv",
        "output_shape": ["N", 2, 6, 6],
        "params": 20,
        "macs": 648,
        "flops": 1368,
    }
    assert [layer["path"] for layer in found["layers"]] == ["stem.0", "stem.1", "1", "2", "fc"]


def test_open_sizes_are_strings() -> None:
    found = summarise(graph_of(LENET), symbolic=True).to_json()
    assert found["inputs"][0]["shape"] == ["N", 1, "H", "W"]
    assert found["layers"][0]["output_shape"] == ["N", 2, "H - 2", "W - 2"]
    assert found["totals"]["params"] == 50
    assert found["totals"]["macs"] == "18 * H * N * W - 36 * H * N - 36 * N * W + 92 * N"


def test_totals_are_what_expectations_ask_for() -> None:
    graph = graph_of(LENET)
    assert totals(graph, graph.default_sizes()) == summarise(graph).totals


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("network", ["ResNet50", "ResNet18"])
def test_folding_loses_nothing(network: str, depth: int) -> None:
    summary = summarise(shipped("resnet", network))
    rows = summary.rows(depth)
    assert all(row.level <= depth for row in rows)
    for column in ("params", "macs", "flops"):
        assert sum(getattr(row.cost, column) for row in rows) == getattr(summary.costs.total, column)


def test_folded_and_tree_rows() -> None:
    summary = summarise(graph_of(LENET))
    assert [(row.path, row.is_scope) for row in summary.rows(1)] == [
        ("stem", True), ("1", False), ("2", False), ("fc", False),
    ]  # fmt: skip
    tree = summary.rows(scopes=True)
    assert [(row.path, row.level) for row in tree[:3]] == [("stem", 1), ("stem.0", 2), ("stem.1", 2)]
    assert tree[0].cost.params == 20


def test_table_has_every_layer_and_total() -> None:
    text = report.as_table([summarise(graph_of(LENET))])
    lines = text.splitlines()
    assert lines[0].split() == ["Layer", "Operator", "Output", "Params", "MACs", "FLOPs"]
    assert lines[2].split() == ["stem.0", "Conv(2,", "3)", "[N,", "2,", "6,", "6]", "20", "648", "1,368"]
    assert "Signature         A(image: float[N, 1, H = 8, W = 8]) -> logits: float[N, 10]" in lines
    assert "Needs             H >= 3, W >= 3" in lines
    assert "Counted with      H = 8, W = 8, N = 1" in lines
    assert "\x1b" not in text


def test_a_narrow_table_cuts_operators_short() -> None:
    summary = summarise(shipped("resnet", "ResNet18"))
    wide = report.as_table([summary]).splitlines()
    width = len(wide[1]) - 12
    narrow = report.as_table([summary], width=width).splitlines()
    assert len(narrow[1]) == width
    table = narrow[: narrow.index("")]
    assert all(len(line) <= width for line in table)
    assert any("..." in line for line in table)
    assert not any("..." in line for line in wide)


WIDE = """
block B(note) { ReLU }
network A(x: float[N, 3, H = 32, W = 32]) -> y { x -> B("最初の畳み込み層は画像の端") -> B("e\u0301a 한국어") -> Conv(4, 3) }
"""
IDEOGRAPHS_AND_ACCENTS = [("abc", 3), ("層", 2), ("한국", 4), ("e\u0301", 1), ("ｱ", 1), ("é漢", 3)]


@pytest.mark.parametrize(("text", "taken"), IDEOGRAPHS_AND_ACCENTS, ids=ascii)
def test_columns_of_a_terminal(text: str, taken: int) -> None:
    assert columns(text) == taken
    assert columns(padded(text, 9)) == columns(padded(text, 9, right=True)) == 9
    assert columns(shortened(text * 9, 7)) <= 7
    assert all(columns(line) <= 4 for line in wrapped(f"{text} {text * 3}", 4))
    assert "".join(wrapped(text * 5, 4)) == text * 5


@pytest.mark.parametrize("width", [100, 80, 60, 40])
@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("network", ["ResNet18", "wide", "several"])
def test_tables_fit(network: str, tree: bool, width: int) -> None:
    graphs = {
        "ResNet18": [shipped("resnet", "ResNet18")],
        "wide": [graph_of(WIDE)],
        "several": [shipped("resnet", "ResNet18"), shipped("resnet", "ResNeXt50_32x4d")],
    }[network]  # fmt: skip
    summaries = [summarise(graph) for graph in graphs]
    text = report.as_table(summaries, tree=tree, width=width)
    assert [line for line in text.splitlines() if columns(line) > width] == []
    heads = text.split("\n", 1)[0].split()
    unbounded = report.as_table(summaries, tree=tree)
    for head in set(unbounded.split("\n", 1)[0].split()) - set(heads):
        assert head in text.partition("Left out")[2]
    assert {"Params", "MACs"} <= set(heads)
    assert len(text.split("\n\n")[0].splitlines()) == len(unbounded.split("\n\n")[0].splitlines())
    for summary in summaries[: len(summaries) == 1]:
        assert f"{summary.costs.total.params:,}" in text


def test_columns_are_aligned_under_ideographs() -> None:
    lines = report.as_table([summarise(graph_of(WIDE))], depth=1).splitlines()
    ends = {columns(line[: line.index("]")]) for line in lines[2:4]}
    assert len(ends) == 1


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(report.as_csv([summarise(graph_of(LENET))]))))
    assert rows[0] == {
        "path": "stem.0",
        "op": "Conv(2, 3)",
        "output_shape": "[N, 2, 6, 6]",
        "params": "20",
        "macs": "648",
        "flops": "1368",
    }


def test_several_networks_have_a_line_each() -> None:
    summaries = [summarise(shipped("resnet", name)) for name in ("ResNet18", "ResNet34")]
    found = json.loads(report.as_json(summaries))
    assert [each["network"] for each in found] == ["ResNet18", "ResNet34"]
    assert all("layers" not in each and each["totals"]["params"] > 10**7 for each in found)
    assert len(report.as_table(summaries).splitlines()) == 4
    assert report.as_csv(summaries).splitlines()[1].startswith("ResNet18,11689512,")
    assert report.as_markdown(summaries).splitlines()[1] == "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"


def test_html_is_escaped() -> None:
    assert "<script" not in report.html(summarise(graph_of(LENET)))
    assert "logits: float[N, 10]" in report.html(summarise(graph_of(LENET)))
    assert "-&gt;" in report.html(summarise(graph_of(LENET)))


def test_html_is_folded_to_blocks() -> None:
    """Every row of the tree is there, below the block that it is in, and every block is closed."""
    summary = summarise(shipped("resnet", "ResNet18"))
    shown = report.html(summary)
    assert re.findall("<(details|/details)[ >]", shown).count("details") == shown.count("</details>") > 8
    assert "<details open" not in shown
    levels = [int(level or 0) for level in re.findall(r'class="row"(?: style="--level: (\d+)")?', shown)]
    tree = report.as_table([summary], tree=True).split("\n\n")[0].splitlines()[2:]
    assert levels == [(len(line) - len(line.lstrip())) // 2 for line in tree]
    outside = re.sub(r"</summary>.*?(?=<details><summary class=.row.>|</div><table>)", "", shown)
    assert outside.count('class="row"') < 20


@pytest.mark.parametrize(
    ("value", "shown"),
    [(4_089_184_256, "4.089 GMACs"), (999, "999 MACs"), (1_000, "1 kMACs"), (0, "0 MACs"), (2 * 10**12, "2 TMACs")],
)
def test_scaled_numbers(value: int, shown: str) -> None:
    assert report.scaled(value, "MACs") == shown


def test_megabytes_say_which() -> None:
    assert report.both_megabytes(2**20) == "1.049 MB (1 MiB)"


@pytest.mark.parametrize(
    ("layer", "arguments", "written"),
    [
        ("Conv", {"out_channels": 64, "kernel_size": (7, 5), "stride": 2}, "Conv(64, [7, 5], stride=2)"),
        ("Linear", {"out_features": 10, "bias": False}, "Linear(10, bias=false)"),
        ("ReLU", {}, "ReLU"),
        ("BatchNorm", {"eps": 1e-3}, "BatchNorm(eps=0.001)"),
    ],
)  # fmt: skip
def test_operators_as_a_spec_would_write_them(layer: str, arguments: dict[str, object], written: str) -> None:
    assert written_op(LAYERS[layer][0](**arguments)) == written


CAUSAL = """
network A(x: float[N, T = 6, 8]) -> y {
    h = scaled_dot_product_attention(x, x, x, is_causal=true) -> Linear(8)
    y = h -> MultiheadAttention(2, batch_first=true, is_causal=true)
}
"""


def test_causal_attention_is_counted_in_full_and_said() -> None:
    summary = summarise(graph_of(CAUSAL))
    both = 2 * (2 * 6 * 6 * 8)  # two products of two attentions
    rest = 6 * 8 * 8 + 4 * 6 * 8 * 8
    assert summary.totals["macs"] == both + rest
    line = dict(report.facts(summary))["Causal attention"]
    assert line == f"{both:,} MACs, in full; with half of them the MACs are {both // 2 + rest:,}"
    assert "Causal attention" not in dict(report.facts(summarise(graph_of(LENET))))
    assert "T ** 2" in dict(report.facts(summarise(graph_of(CAUSAL), symbolic=True)))["Causal attention"]

"""The command, its parts and its files, with a CPU in the place of a GPU."""

import json
from pathlib import Path

import pytest
import torch
from stand_in import StandIn
from support import Compose, ctrbench, small

from ctrbench.bench.gpu.bench import Runs, bench_gpu, measure, plan_runs
from ctrbench.bench.gpu.checks import CHECKS
from ctrbench.bench.gpu.measures import measure_step
from ctrbench.bench.gpu.record import GpuRecord
from ctrbench.bench.gpu.settings import gpu_settings
from ctrbench.errors import UserError
from ctrbench.results import Results

WORDS = ["bench.gpu.rows=1000", "bench.gpu.features=1000", "bench.gpu.steps=10"]


class Counting(StandIn):
    """Counts the graphs that are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.graphs = 0

    def graph(self):  # type: ignore[no-untyped-def]
        self.graphs += 1
        return super().graph()


def runs(settings: Compose, *names: str) -> Runs:
    words = ["tuned=none", "trainer.batch_size=64"]
    return {name: settings(*small(name), *words) for name in names}


def test_all_parts_are_kept_and_not_done_again(settings: Compose, tmp_path: Path) -> None:
    """In the order asked for; what is known is taken over, what another setting gave is not."""
    own, results = gpu_settings([*WORDS, "bench.gpu.parts=[epochs,steps]"]), Results(tmp_path)
    asked = runs(settings, "lr")
    written = measure(StandIn(), asked, own, results)
    assert written.json == tmp_path / "gpu" / "Stand-in-CPU-1.json"
    found = json.loads(written.json.read_text())
    assert set(found["steps"]) == {"lr fp32", "lr bf16"}
    assert set(found["epochs"]) == {"lr fp32", "lr bf16"} and not found["checks"]
    step, epoch = found["steps"]["lr fp32"], found["epochs"]["lr fp32"]
    assert step["times_the_limit"] * max(
        step["limits"]["products"], step["limits"]["memory"]
    ) == pytest.approx(step["seconds"]["captured"])
    assert epoch["rows"] == 1000 and epoch["valid_rows"] == 125 and epoch["steps"] == 16
    again = Counting()
    assert measure(again, asked, own, results).figures == found and again.graphs == 0
    more = gpu_settings([*WORDS[:2], "bench.gpu.steps=11", "bench.gpu.parts=[steps]"])
    measure(again, asked, more, results)
    assert again.graphs > 0
    assert set(json.loads(written.json.read_text())["epochs"]) == set(found["epochs"])
    shown = written.page.read_text()
    assert "# Stand-in (CPU) 1" in shown and "| lr bf16 " in shown and "None yet." in shown


def test_a_file_of_other_things_is_refused(settings: Compose, tmp_path: Path) -> None:
    """And what another version of torch found is found anew."""
    results = Results(tmp_path)
    first = GpuRecord(results, "A", {"torch": "1", "python": "3", "commit": None})
    first.add("checks", "lr resumed", "asked", {"failed": "why"})
    assert GpuRecord(results, "A", {"torch": "1"}).failures == ["checks, lr resumed: why"]
    assert not GpuRecord(results, "A", {"torch": "2"}).failures
    first.json.write_text("{}")
    with pytest.raises(UserError, match=r"A.json: not written by bench gpu; delete it"):
        GpuRecord(results, "A", {"torch": "1"})


def test_least_bytes_of_a_step(settings: Compose) -> None:
    """FM by Adam: of 1,000 x (1 + K) weights and a bias eight numbers; of every place its row and
    gradient, each written and read, and its id."""
    own = gpu_settings(WORDS)
    run = runs(settings, "fm")["fm"]
    found = measure_step(StandIn(), run, own)
    weights, places = 1000 * 11 + 1, 64 * 39
    assert found["limits"]["bytes"] == 4 * (8 * weights + 4 * 11 * places + 2 * places)


def test_what_fails_is_listed_and_tried_again(settings: Compose, tmp_path: Path) -> None:
    class Broken(StandIn):
        def graph(self):  # type: ignore[no-untyped-def]
            raise RuntimeError("no graph today\nat all")

    own, results = gpu_settings([*WORDS, "bench.gpu.parts=[checks]"]), Results(tmp_path)
    written = measure(Broken(), runs(settings, "lr"), own, results)
    assert len(written.failures) == len(CHECKS) - 1
    assert "checks, lr resumed: RuntimeError: no graph today" in written.failures
    assert "- **lr resumed failed**: RuntimeError: no graph today" in written.page.read_text()
    assert not measure(StandIn(), runs(settings, "lr"), own, results).failures


def test_lists_of_models_are_those_of_every_verb() -> None:
    assert list(plan_runs(["model=glob(*_dnn)"])) == ["fm_dnn", "lr_dnn"]
    with pytest.raises(UserError, match=r"did you mean bench\.gpu\.parts\?"):
        plan_runs(["model=lr", "part=[steps]"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("words", ["", "device=cuda", "bench.gpu.parts=[checks]"])
def test_without_a_gpu(words: str, tmp_path: Path) -> None:
    done = ctrbench("bench", "gpu", *words.split(), cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no GPU is visible to torch" in done.stderr and not list(tmp_path.rglob("*.json"))


def test_with_a_gpu_a_cpu_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UserError, match="device=cpu: bench gpu measures a GPU"):
        bench_gpu(["device=cpu"])


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("bench.gpu.row=5", r"bench.gpu.row: no such key; did you mean rows\?"),
        ("bench.gpu.rows=many", "bench.gpu.rows=many: not a whole number"),
        ("bench.gpu.rows=1", "bench.gpu.rows=1: must be at least 1000"),
        ("bench.gpu.parts=[check]", "bench.gpu.parts=check: not known; did you mean checks"),
    ],
)
def test_keys(word: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        gpu_settings([word])

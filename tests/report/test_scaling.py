"""Where a model overtakes another as the training rows grow, by runs whose figures are given."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made import make_run, section_of, texts

from ctrbench.report.group import Section
from ctrbench.report.judged.crossings import Crossing, crossing_text
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.statistics import Difference
from ctrbench.report.report import report_on
from ctrbench.report.scaling import Scaling


def saved(array: Any) -> bytes:
    """The bytes of a file of numpy's."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ROWS = {0.125: 1_000, 0.25: 2_000, 0.5: 4_000, 1.0: 8_000}
NOISE = (0.0002, -0.0001, 0.0, 0.0001)
LABELS = hashlib.sha256(saved(np.packbits(np.arange(7, dtype=np.uint8) % 2))).hexdigest()
LR = (0.70, 0.71, 0.715, 0.718)


def add_runs(
    folder: Path, model: str, aucs: tuple[float, ...], seeds: int = 4, *, scored: bool = True
) -> None:
    """Runs of each share, all of which score the test rows alike: without row noise."""
    own = np.random.default_rng(list(model.encode())).normal(scale=1e-4, size=seeds)
    for (share, rows), auc in zip(ROWS.items(), aucs, strict=True):
        for seed in range(seeds):
            figure = auc + NOISE[seed] + own[seed]
            counts = {"train": rows, "valid": 5, "test": 7}
            path = make_run(
                folder,
                model,
                seed,
                figure,
                logloss=1 - figure,
                scored=scored,
                rows=counts,
                encoding={"share": share},
                labels=LABELS if scored else "the same",
            )
            config = yaml.safe_load((path / "config.yaml").read_text())
            del config["data"]["share"]
            config["split"]["train_share"] = share
            (path / "config.yaml").write_text(yaml.safe_dump(config))


def scaling_of(folder: Path) -> tuple[Section, Scaling]:
    section = section_of(folder)
    return section, Scaling(section, PairedTests(section))


def test_the_place_of_a_crossing(tmp_path: Path) -> None:
    add_runs(tmp_path, "lr", LR)
    add_runs(tmp_path, "deepfm", (0.68, 0.70, 0.720, 0.730))
    section, scaling = scaling_of(tmp_path)
    auc, logloss = scaling.crossings
    runs = section.runs.assign(rows=section.runs["dataset.rows.train"])
    means = runs.pivot_table(index="rows", columns="model", values="metrics.test.auc")
    gains = (means["deepfm"] - means["lr"]).to_numpy()
    # linear in the logarithm between 2,000 and 4,000 rows, by numpy
    place = np.exp(np.interp(0, gains[1:3], np.log([2_000, 4_000])))
    assert auc.places == [pytest.approx(place)]
    assert logloss.places == [pytest.approx(place)]
    assert auc.rows == list(ROWS.values())
    assert [d.mean for d in auc.differences] == pytest.approx(gains)
    assert auc.is_significant
    assert scaling.headline == f"DeepFM overtakes LR at about {round(place, -2):,.0f} rows"


def test_no_crossing_and_several_models(tmp_path: Path) -> None:
    add_runs(tmp_path, "lr", LR)
    add_runs(tmp_path, "fm", tuple(auc - 0.01 for auc in LR))
    _, alone = scaling_of(tmp_path)
    assert alone.headline == "no crossing up to 8,000 rows: LR stays ahead of FM"
    assert all(not crossing.places for crossing in alone.crossings)
    add_runs(tmp_path, "deepfm", (0.68, 0.70, 0.720, 0.730))
    _, scaling = scaling_of(tmp_path)
    assert scaling.headline.startswith("DeepFM overtakes LR at about ")
    assert scaling.headline.endswith("; no crossing up to 8,000 rows of FM with LR")


def test_weaker_words(tmp_path: Path) -> None:
    """A difference at an end that could be noise, or of one seed, lets nobody overtake."""
    add_runs(tmp_path / "noise", "lr", LR)
    add_runs(tmp_path / "noise", "deepfm", (0.69, 0.70, 0.716, 0.71801))
    _, scaling = scaling_of(tmp_path / "noise")
    assert "overtakes" not in scaling.headline
    assert "may overtake" in scaling.headline and "at 8,000 rows" in scaling.headline
    add_runs(tmp_path / "one", "lr", LR, seeds=1)
    add_runs(tmp_path / "one", "deepfm", (0.68, 0.70, 0.720, 0.730), seeds=1)
    _, scaling = scaling_of(tmp_path / "one")
    assert "may overtake" in scaling.headline and "one seed" in scaling.headline


def test_no_end_tells(tmp_path: Path) -> None:
    assert "neither end" in crossing_text(crossing([-1, 1], p=(0.3, 0.4)))
    assert "may overtake" in crossing_text(crossing([-1, 1], p=(0.3, 0.01)))


def crossing(gains: list[float], p: tuple[float, float] = (0.01, 0.01)) -> Crossing:
    differences = [Difference(gain, gain - 1, gain + 1, 0.01) for gain in gains]
    rows = [1_000 * 2**i for i in range(len(gains))]
    return Crossing("fm", "lr", "auc", rows, differences, p, 3)


@pytest.mark.parametrize(
    ("gains", "places", "words"),
    [
        ([-1, 1], [1_000 * 2**0.5], "FM overtakes LR at about 1,400 rows"),
        ([1, 0, -1], [2_000], "LR overtakes FM at about 2,000 rows"),
        ([-1, 1, -1, 1], [1414, 2828, 5657], "FM overtakes LR between 1,400 and 5,700 rows"),
        ([1, -1, 1], [1414, 2828], "no lasting crossing up to 4,000 rows: FM stays ahead of LR"),
    ],
)
def test_signs(gains: list[float], places: list[float], words: str) -> None:
    assert crossing(gains).places == pytest.approx(places, rel=1e-3)
    assert crossing_text(crossing(gains)) == words


def test_the_report(tmp_path: Path) -> None:
    """The figure, the table and the sentence are on the page; the ablation is not there twice."""
    add_runs(tmp_path, "lr", LR, seeds=2, scored=False)
    add_runs(tmp_path, "deepfm", (0.68, 0.70, 0.720, 0.730), seeds=2, scored=False)
    report_on([tmp_path])
    folder = tmp_path / "report"
    page = (folder / "index.html").read_text()
    assert "DeepFM may overtake LR at about" in page and "untested" in page
    drawn = texts((folder / "figures/scaling.svg").read_text())
    assert {"DeepFM", "LR", "training rows"} <= set(drawn)
    assert not list(folder.glob("figures/ablation-split*"))
    assert (folder / "scaling.csv").read_text().count("\n") == 1 + 2 * len(ROWS)
    assert "scaling.csv" in json.loads((folder / ".files.json").read_text())

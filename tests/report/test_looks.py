"""What a reader sees in a real browser: no label cut or over another, every dot in its panel."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import CHROMIUM, look
from made import add_predictions, make_run
from support import slow

from ctrbench.models.registry import names
from ctrbench.report import broken
from ctrbench.report.report import report_on

# Measures all that is drawn.
PROBE = """<script>
addEventListener("load", () => {
const found = {};
try {
document.querySelectorAll("details").forEach((details) => (details.open = true));
const all = (selector, root) => [...(root ?? document).querySelectorAll(selector)];
const box = (element) => element.getBoundingClientRect();
const seen = (element) => element.getClientRects().length > 0;
const within = (inner, outer, by) =>
  inner.left >= outer.left - by && inner.right <= outer.right + by
  && inner.top >= outer.top - by && inner.bottom <= outer.bottom + by;
const crossing = (a, b) =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
const neighbours = (elements) => elements.filter((element, i) =>
  i && element.closest("tr") === elements[i - 1].closest("tr")
  && crossing(box(element), box(elements[i - 1])));
const dots = all(".dots .dot");
found.dots = dots.length;
found.outside = dots.filter((dot) => !within(box(dot), box(dot.closest("td")), 0)).length;
found.hidden_dots = dots.filter((dot) => box(dot).right > innerWidth).length;
found.colours = new Set(dots.map((dot) => getComputedStyle(dot).color)).size;
const drawings = all("figure svg").filter(seen);
found.drawings = drawings.length;
found.clipped = []; found.overlapping = []; found.points_outside = [];
for (const svg of drawings) {
  const texts = all("text", svg).map((text) => [text.textContent, box(text)]);
  for (const [i, [text, place]] of texts.entries()) {
    if (!within(place, box(svg), 1)) found.clipped.push(text);
    for (const [other, its] of texts.slice(i + 1)) {
      if (crossing(place, its)) found.overlapping.push(`${text} | ${other}`);
    }
  }
  for (const point of all("[data-says]", svg)) {
    if (!within(box(point), box(svg), 1)) found.points_outside.push(point.dataset.says);
  }
}
const heads = neighbours(all("th:not(.dots) button").filter(seen));
found.heads_overlapping = heads.map((head) => head.textContent);
found.ticks_overlapping = neighbours(all("th .axis i")).length;
found.cut = all(".wide").filter(seen).filter((wide) => wide.scrollWidth > wide.clientWidth + 1
  && getComputedStyle(wide).overflowX !== "auto").length;
found.wider = document.documentElement.scrollWidth - innerWidth;
found.leaders_cut = all("table").filter((table) => table.querySelector(".dots"))
  .filter((table) => box(table).right > box(table.parentElement).right + 1).length;
found.cards = all(".prose tr").filter((row) => getComputedStyle(row).display === "block").length;
} catch (error) { found.error = error.stack; }
parent.document.title = JSON.stringify(found);
});
</script>"""


def add_noisy_predictions(run: Path, noise: int) -> None:
    """Give a run predictions of labels that all runs share, by noise of its own."""
    add_predictions(run)
    labels = np.unpackbits(np.load(run / "labels.npy"), count=400)
    logits = labels - 1 + np.random.default_rng(noise).normal(size=400)
    np.save(run / "logits.npy", logits.astype(np.float32))
    result = json.loads((run / "result.json").read_text())
    digest = hashlib.sha256((run / "logits.npy").read_bytes()).hexdigest()
    result["files"]["logits.npy"] = digest
    (run / "result.json").write_text(json.dumps(result))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Reports of few models, one of them swept, and of many."""
    few, many = (tmp_path_factory.mktemp(name) for name in ("few", "many"))
    for seed in (0, 1):
        for i, model in enumerate(("lr", "fm", "wide_deep")):
            run = make_run(few, model, seed, auc=0.7 + i / 100 + seed / 1000)
            add_noisy_predictions(run, 7 * i + seed)
        for dropout in (0.1, 0.5):
            path = make_run(
                few, "deepfm", seed, auc=0.74 + dropout / 100, options={"dropout": dropout}
            )
            add_predictions(path, seed=100 + seed)
    for i, model in enumerate(names()[:23]):
        run = make_run(many, model, auc=0.74 + (i % 5) / 1000, slower=1 + (i % 7) / 10)
        add_noisy_predictions(run, i)
    with pytest.MonkeyPatch.context() as patch:  # the predictions are made up
        patch.setattr(broken, "disagreement", lambda path: None)
        for folder in (few, many):
            report_on([folder], claims=True)
    return {p.name.rstrip("0"): (p / "report" / "index.html").read_text() for p in (few, many)}


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", ["few", *slow(["many"])])
def test_nothing_is_cut_or_covered(
    name: str, width: int, pages: dict[str, str], tmp_path: Path
) -> None:
    found = look(pages[name], PROBE, tmp_path, width)
    assert "error" not in found, found["error"]
    assert found["dots"] == found["colours"] == (4 if name == "few" else 23)
    assert found["outside"] == found["hidden_dots"] == found["ticks_overlapping"] == 0
    assert found["drawings"] >= 3
    assert found["clipped"] == found["overlapping"] == found["points_outside"] == []
    assert found["heads_overlapping"] == [] and found["cut"] == 0 and found["wider"] <= 0
    if name == "few":
        assert bool(found["cards"]) == (width == 390)
    assert width == 390 or not found["leaders_cut"]

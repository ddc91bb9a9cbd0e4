"""The page: what it says, and in a real browser that it works."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CHROMIUM, look
from made import make_run, section_of

from ctrbench.report import broken
from ctrbench.report.html import is_number, slug
from ctrbench.report.judged.comparisons import comparisons
from ctrbench.report.leaders import headline, leaders
from ctrbench.report.report import report_on

# What a reader's hands and eyes would do.
PROBE = """<script>
const told = {errors: window.told || []};
try {
const outside = [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".wide > *, nav"));
const right = outside.map((element) => element.getBoundingClientRect().right);
told.overflow = Math.max(...right) - innerWidth;
document.querySelectorAll("details.fold").forEach((details) => (details.open = true));
const body = document.querySelector("table").tBodies[0];
const column = () => [...body.rows].map((row) => row.cells[1].textContent);
told.spilled = [...document.querySelectorAll(".wide")]
  .filter((e) => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX !== "auto").length;
told.loaded = performance.getEntriesByType("resource").length;
document.querySelectorAll("th button")[1].click(); told.up = column();
document.querySelectorAll("th button")[1].click(); told.down = column();
const input = document.querySelector("input");
input.value = "FFM"; input.dispatchEvent(new Event("input"));
told.shown = [...document.querySelectorAll("table[data-table] tbody tr")]
  .filter((row) => row.offsetHeight > 0).map((row) => row.cells[0].textContent);
told.unsaid = [...document.querySelectorAll("svg")]
  .map((svg) => document.getElementById(svg.getAttribute("aria-describedby")))
  .filter((caption) => !caption || caption.textContent.length < 20).length;
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
told.doubled = ids.length - new Set(ids).size;
const points = [...document.querySelectorAll("figure svg [data-says]")];
const tip = document.getElementById("tip");
told.points = points.length; told.native = document.querySelectorAll("use > title").length;
points[0].dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
told.pointed = [!tip.hidden, tip.textContent];
told.beside = Math.max(0, tip.getBoundingClientRect().right - innerWidth);
points[0].ownerSVGElement.dispatchEvent(new PointerEvent("pointerleave"));
told.left = tip.hidden;
const press = (key) => points[0].ownerSVGElement.dispatchEvent(new KeyboardEvent("keydown", {key}));
press("ArrowRight"); press("ArrowRight");
told.stepped = tip.textContent;
press("Escape"); told.escaped = tip.hidden;
told.focusable = points[0].ownerSVGElement.tabIndex;
input.value = ""; input.dispatchEvent(new Event("input"));
const copy = document.querySelector("button.copy");
copy.closest("details").open = true; copy.click();
told.copied = getSelection().toString();
document.getElementById("theme").click();
told.ground = [getComputedStyle(document.body).backgroundColor];
document.getElementById("theme").click();
told.ground.push(getComputedStyle(document.body).backgroundColor);
} catch (error) { told.errors.push(error.stack); }
parent.document.title = JSON.stringify(told);
</script>"""
WATCH = "<script>addEventListener('error', (e) => (window.told ??= []).push(e.message))</script>"


def asked(*overrides: str) -> dict[str, Any]:
    """The overrides that a run keeps."""
    return {"overrides": [*overrides, "key='a b'"]}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of three models, one of them swept, and of a run that failed."""
    folder = tmp_path_factory.mktemp("page")
    for seed in (0, 1, 2):
        noise = seed / 1000
        scored: Any = {"seed": seed, "scored": True}
        lr, ffm = asked("model=lr"), asked("model=ffm")
        make_run(folder, "lr", auc=0.7 + noise, logloss=0.5 - noise, **scored, **lr)
        make_run(folder, "ffm", auc=0.75 + 2 * noise, logloss=0.26 - noise, **scored, **ffm)
        for dropout in (0.1, 0.5):
            auc = 0.751 + noise * (5 * dropout - 1)
            options = {"dropout": dropout}
            more = scored | asked("model=deepfm", f"model.dropout={dropout}")
            path = make_run(folder, "deepfm", auc=auc, logloss=1 - auc, options=options, **more)
            lines = [
                {"epoch": i, "train_loss": 0.5, "valid_logloss": 0.4 + i / 10} for i in (1, 2, 3)
            ]
            (path / "history.jsonl").write_text("\n".join(map(json.dumps, lines)))
    failed = make_run(folder, "fm", **asked("model=fm"))
    (failed / "result.json").unlink()
    said = {"what": "training", "when": "noon", "message": "<b>the loss is nan</b>"}
    (failed / "failed.json").write_text(json.dumps(said))
    with pytest.MonkeyPatch.context() as patch:  # figures by hand, of logits that are the same
        patch.setattr(broken, "disagreement", lambda path: None)
        report_on([folder], claims=True)
    return (folder / "report" / "index.html").read_text()


class Words(HTMLParser):
    """The text of a page, and the addresses it asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]


def test_first_the_answer(html: str) -> None:
    words = " ".join(Words(html).words)
    assert re.search(
        r"DeepFM, test AUC 0\.75\d\d ± 0\.00\d\d, is the best on the validation", words
    )
    assert re.search(r"not significantly different from \w+ at 3 seeds", words)
    assert "keep probability" in words and "How each model learned" in words
    assert "<b>the loss is nan</b> (noon)" in words and "<b>the loss" not in html


def test_verdicts_on_the_papers_claims(html: str) -> None:
    words = " ".join(Words(html).words)
    assert "The paper's claims" in words
    assert '<span class="mark good">so far reproduced</span>' in html
    to = re.findall(r'<a href="#([^"]+)">Learning feature interactions at all', html)
    assert to == ["leaderboard"] and f'<table id="{to[0]}"' in html
    linked = re.findall(r'<a href="#([^"]+)">', html)
    assert "ablation-model.dropout" in linked
    assert all(f'id="{name}"' in html for name in linked)
    assert "Learning feature interactions at all improves on LR" in words
    assert words.count("ctrbench train model=") == 13  # the one that failed too


def test_points_say_their_values_without_a_script(html: str) -> None:
    assert re.search(r'<td class="dots" title="test AUC 0\.70100 ± 0\.\d+">', html)
    assert re.search(r"<use [^>]*><title>LR: AUC 0\.70100, \d+ s</title></use>", html)


def test_nothing_is_fetched(html: str) -> None:
    asked = [a for a in Words(html).addresses if not a.startswith(("#", "data:"))]
    assert asked == [] and "@import" not in html and "fetch(" not in html
    assert len(html) < 2_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
@pytest.mark.parametrize("width", [390, 1400])
def test_in_a_browser(width: int, html: str, tmp_path: Path) -> None:
    told = look(html.replace("<head>", f"<head>{WATCH}", 1), PROBE, tmp_path, width)
    assert told["overflow"] <= 0 and told["spilled"] == 0
    assert told["errors"] == [] and told["loaded"] == 0
    assert told["up"] == sorted(told["up"]) and told["down"] == told["up"][::-1]
    assert len(told["up"]) == 3 and set(told["shown"]) == {"FFM"} and len(told["shown"]) == 3
    assert told["points"] > 10 and told["native"] == 0
    assert told["pointed"][0] and re.match(r"\w+: AUC 0\.7", told["pointed"][1])
    assert told["beside"] == 0 and told["left"] and told["escaped"] and told["focusable"] == 0
    assert told["stepped"] != told["pointed"][1] and ": AUC 0.7" in told["stepped"]
    command, key = told["copied"].rsplit(" ", 2)[0], """'key='"'"'a b'"'"''"""
    assert command.startswith("ctrbench train model=") and told["copied"].endswith(key)
    assert told["unsaid"] == 0 and told["doubled"] == 0
    assert set(told["ground"]) == {"rgb(21, 24, 27)", "rgb(255, 255, 255)"}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0.7 ± 0.1", True),
        ("-1.5e-3", True),
        ("1,024", True),
        ("1.3%", True),
        ("8.00 + 5.00", True),
        ("-0.07 [-0.1, +0.2]", True),
        ("0.7804 / 0.46782", True),
        ("-", False),
        ("4 to 9", False),
        ("fm", False),
        ("2x", False),
    ],
)
def test_numbers_stand_on_the_right(cell: str, expected: bool) -> None:
    assert is_number(cell) == expected


def test_slugs() -> None:
    assert slug("planted, data.effects=[1, 0]") == "planted-data.effects-1-0"
    of = ", ".join(f"column_{i}" for i in range(60))
    one, other = slug(f"clicks, data.history.of=[{of}]"), slug(f"clicks, data.history.of=[{of}x]")
    assert one != other and max(len(one), len(other)) < 180


def headline_of(folder: Path) -> str:
    section = section_of(folder)
    return headline(section, comparisons(section))


def test_a_leader_that_a_rival_beats_is_not_said_to_be_better(tmp_path: Path) -> None:
    """FM is better on the validation rows by an easy seed that FFM lacks."""
    for seed in (0, 1, 2):
        make_run(tmp_path, "ffm", seed, 0.78 + seed / 100, logloss=0.4, scored=True)
        fm = 0.74 + seed / 100 + seed / 1e5
        make_run(tmp_path, "fm", seed, fm, logloss=0.4, scored=True)
    make_run(tmp_path, "fm", 3, 0.8, logloss=0.3, scored=True)
    headline = headline_of(tmp_path)
    assert headline.startswith("FM, test AUC 0.7")
    assert "highest test AUC is that of FFM, 0.79" in headline
    assert "FFM is better in test AUC at 3 seeds" in headline and "all others" not in headline


def test_a_leader_that_all_are_worse_than(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        make_run(tmp_path, "fm", seed, 0.75 + seed / 100, scored=True)
        make_run(tmp_path, "ffm", seed, 0.74 + seed / 100 + seed / 1e5, scored=True)
    assert "better in AUC than all others at 3 seeds" in headline_of(tmp_path)


def test_a_leaders_time_has_its_first_stage(tmp_path: Path) -> None:
    """LR takes 2 s an epoch, FNN 8 and 5 of its FM."""
    for seed in (0, 1):
        make_run(tmp_path, "lr", seed, 0.7)
        make_run(tmp_path, "fnn", seed, 0.8, logloss=0.4)
    assert "6.5 times LR's time an epoch" in headline_of(tmp_path)
    lead = leaders(section_of(tmp_path))[0]
    assert lead["time relative to LR"] == "4.00 + 2.50"


def test_times_of_another_machine_stand_on_the_page(tmp_path: Path) -> None:
    for threads, models in ((2, ("lr", "fm")), (8, ("ffm",))):
        for model in models:
            make_run(tmp_path, model, environment={"threads": threads})
    report_on([tmp_path])
    html = (tmp_path / "report" / "index.html").read_text()
    assert "stand apart, below" in html and "Times elsewhere, planted" in html
    assert "DeLong" not in html or "Which differences count" in html

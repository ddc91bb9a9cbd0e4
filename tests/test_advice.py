"""What messages advise is done as it is printed, and then the command works."""

import gzip
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import safetensors.torch
import torch
from helpers.hub import MD5, Hub, archive, serving
from support import Done, ctrbench

from ctrbench.bench.gpu.record import GpuRecord
from ctrbench.data.sources import download as downloading
from ctrbench.data.store import prepare as preparing
from ctrbench.errors import UserError
from ctrbench.files import seal
from ctrbench.report import report as writing
from ctrbench.report.broken import check_runs
from ctrbench.results import Results
from ctrbench.runs.frame import find_runs, frame

ROWS = "a,b,y\n" + "".join(f"{i % 7},{'xyz'[i % 3]},{i % 5 // 3}\n" for i in range(300))
OPTIONS = ["data=table", "data.path=files/rows.csv", "data.label=y", "split=random", "results=."]
OPTIONS += ["threads=1", "trainer.epochs=1", "data.types=[a:category]"]
TRAIN = ["train", "model=wide_deep", "model.hidden=[4]", "model.crosses=[[a,b]]", *OPTIONS]
LR = ["model=lr", *OPTIONS]
PREDICT, REPORT = ["predict", "RUN", "files/rows.csv"], ["report", "."]
DOWNLOAD = ["download", "mine", "-cd", "own", "results=."]
OWN_SET = (
    "defaults: [/shared/bars@_here_]\nname: mine\n"
    f"download: {{archive: Set, md5: {json.dumps(MD5)}}}\n"
)
MOVIELENS = {
    "ml1m_users.dat": [[u, "MF"[u % 2], 1 + u % 7, u % 5, f"{u:05}"] for u in range(1, 31)],
    "ml1m_items.dat": [[i, f"Film ({1950 + i})", "Drama|War"] for i in range(1, 21)],
}
RATINGS = "".join(f"{u},{i},{1 + (u * i + i) % 5},0\n" for u in range(1, 31) for i in range(1, 21))
HOPS = 3  # what one advice uncovers may have an advice of its own


@dataclass
class Place:
    """A folder with rows and a finished run, and how to do there what is advised."""

    folder: Path
    whole: Path  # a copy of the folder
    train: list[str]

    @property
    def run(self) -> Path:
        (path,) = self.whole.glob("runs/*/*/*/result.json")
        return self.folder / path.parent.relative_to(self.whole)

    def command(self, words: list[str]) -> Done:
        """Run a command here."""
        run = str(self.run.relative_to(self.folder))
        return ctrbench(*[run if word == "RUN" else word for word in words], cwd=self.folder)

    def follow(self, message: str) -> None:
        """Do what a message advises."""
        names = re.split(r": |, (?:line|row) ", message.removeprefix("ctrbench: "))
        path = next((self.folder / x for x in names if (self.folder / x).exists()), self.run)
        advice = message.rpartition("; ")[2]
        if folder := re.fullmatch(r"delete (\S+) and run again", advice):
            shutil.rmtree(self.folder / folder[1])
        elif "delete its folder and run its command again" in advice:
            shutil.rmtree(self.run)
            self._train()
        elif advice.startswith("run its command again"):
            self._train()
        elif re.fullmatch(r"delete it( and run .*)?", advice):
            path.unlink()
        elif re.search(r"remove the (line|row)$", advice):
            self._remove(path, int(re.search(r", (?:line|row) (\d+)", message)[1]))  # type: ignore[index]
        elif re.search(r"(fetch|convert|mend).* (it|set|file)( again)?$", advice):
            shutil.copytree(self.whole / "files", self.folder / "files", dirs_exist_ok=True)
        elif "run the command again" not in advice and advice != "run again":
            pytest.fail(f"an advice that this test cannot follow: {message}")

    def _train(self) -> None:
        done = self.command(self.train)
        assert done.returncode == 0, done.stderr

    def _remove(self, path: Path, line: int) -> None:
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines[: line - 1], *lines[line:]]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a run of them."""
    folder = tmp_path_factory.mktemp("whole")
    files = folder / "files"
    files.mkdir()
    (files / "rows.csv").write_text(ROWS)
    (files / "rows.gz").write_bytes(gzip.compress(ROWS.encode()))
    pl.read_csv(files / "rows.csv").write_parquet(files / "rows.parquet")
    for name, rows in MOVIELENS.items():
        (files / name).write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (files / "ratings.csv").write_text("user,item,rating,fold\n" + RATINGS)
    done = ctrbench(*TRAIN, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Place:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path, whole, TRAIN)


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file, in a new inode."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def delete(path: Path) -> None:
    path.unlink()


def rewrite(content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def accept(run: Path, name: str) -> None:
    """Put the digest of a file of a run into its record, as if it had been written so."""
    record = json.loads((run / "result.json").read_text())
    record["files"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
    (run / "result.json").write_text(json.dumps(seal(record)))


def check(place: Place, words: list[str], expected: str) -> None:
    """Follow the advice of a command that fails, until it works and prints what is expected."""
    for hop in range(HOPS):
        done = place.command(words)
        if done.returncode == 0 and hop > 0:
            break
        assert done.returncode != 0, "the fault was not noticed"
        place.follow(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected


DAMAGED = (
    *("model.safetensors", "config.yaml", "result.json", "encoder/store.json"),
    *("encoder/vocabulary/00000.parquet", "encoder/crosses/store.json"),
)
DAMAGE = {"flipped": flip, "deleted": delete, "aliases": rewrite(b"x: *y"), "other": rewrite(b"{}")}


CASES = [(name, damage) for name in DAMAGED for damage in ("flipped", "deleted")]
CASES += [(name, damage) for name in DAMAGED[1:3] for damage in ("aliases", "other")]
CASES.remove(("result.json", "deleted"))  # an unfinished run, which is not damaged


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_files_of_a_run(name: str, damage: str, place: Place) -> None:
    expected = place.command(PREDICT).stdout
    DAMAGE[damage](place.run / name)
    check(place, PREDICT, expected)


def edit(path: Path, **values: Any) -> None:
    """Change keys of a sealed record."""
    path.write_text(json.dumps(seal(json.loads(path.read_text()) | values)))


def of_another_class(run: Path) -> str:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("classes:\n  data: table", "classes: {}"))
    return "config.yaml"


def of_another_version(run: Path) -> str:
    edit(run / "encoder/store.json", format=1)
    return "encoder/store.json"


def of_another_model(run: Path) -> str:
    safetensors.torch.save_file({"x": torch.zeros(3)}, run / "model.safetensors")
    return "model.safetensors"


def of_no_model(run: Path) -> str:
    (run / "model.safetensors").write_bytes(b"no weights")
    return "model.safetensors"


OTHERS = (of_another_class, of_another_version, of_another_model, of_no_model)


@pytest.mark.parametrize("change", OTHERS)
def test_files_that_a_run_was_written_with(change: Callable[[Path], str], place: Place) -> None:
    """Their digests are right, so that the run's command finds no damage."""
    expected = place.command(PREDICT).stdout
    accept(place.run, change(place.run))
    check(place, PREDICT, expected)


def without_an_auc(run: Path) -> None:
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    edit(run / "result.json", metrics=metrics | {"test": {"logloss": 0.5}})


def with_another_auc(run: Path) -> None:
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    edit(run / "result.json", metrics=metrics | {"test": metrics["test"] | {"auc": 0.99}})


def without_rows(run: Path) -> None:
    dataset = json.loads((run / "result.json").read_text())["dataset"]
    edit(run / "result.json", dataset=dataset | {"rows": {"train": 9, "valid": 9, "test": 0}})


def accepted(name: str, content: bytes) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).write_bytes(content)
        accept(run, name)

    return change


def unfinished(run: Path) -> None:
    (run / "result.json").unlink()


def failed(run: Path) -> None:
    (run / "result.json").unlink()
    (run / "failed.json").write_text("{")


BROKEN: dict[str, Callable[[Path], None]] = {
    **{f.__name__: f for f in (without_an_auc, with_another_auc, without_rows, unfinished, failed)},
    "history": accepted("history.jsonl", b"[1]"),
    "logits": accepted("logits.npy", b"no array"),
    "labels": accepted("labels.npy", b"no array"),
    "flipped logits": lambda run: flip(run / "logits.npy"),
    "flipped history": lambda run: flip(run / "history.jsonl"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_runs_that_a_report_lists(kind: str, place: Place) -> None:
    def reason() -> str:
        row = check_runs(frame(find_runs([place.folder]))).iloc[0]
        assert (row["state"] == "finished") == (row["reason"] == "")
        return str(row["reason"])

    BROKEN[kind](place.run)
    assert (message := reason())
    for _ in range(HOPS):
        if message := reason():
            place.follow(message)
    assert not message


def test_a_checkpoint_of_another_run(place: Place) -> None:
    (place.run / "result.json").unlink()
    content = io.BytesIO()
    torch.save({"model": {}}, content)
    data = content.getvalue()
    (place.run / "checkpoint.pt").write_bytes(data + hashlib.sha256(data).digest())
    check(place, TRAIN, "")


@pytest.mark.parametrize("pattern", ["*.json", "train.ids.npy", "*/*.parquet", "crosses/*/*.npy"])
def test_files_of_a_store(pattern: str, place: Place) -> None:
    for path in place.folder.glob(f"stores/*/*/{pattern}"):
        flip(path)
    check(place, [*TRAIN, "seed=1"], "")


def test_rows_that_change_while_they_are_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, real = place.folder / "files/rows.csv", preparing.find_unknown

    def find_unknown(*given: Any) -> Any:
        monkeypatch.undo()
        rows.write_text(ROWS + "3,x,1\n")
        return real(*given)

    shutil.rmtree(place.folder / "stores")
    monkeypatch.setattr(preparing, "find_unknown", find_unknown)
    done = place.command(["prepare", *LR])
    assert done.returncode == 1
    place.follow(done.stderr.splitlines()[-1])
    assert place.command(["prepare", *LR]).returncode == 0


def test_the_journal_of_a_search(place: Place) -> None:
    tune = ["tune", *LR, "trials=2"]
    expected = place.command(tune).stdout
    (journal,) = place.folder.glob("tune/*/*/*/journal.log")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:3], lines[3][:-4], *lines[4:], ""]))
    check(place, tune, expected)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)
    with serving() as hub:
        yield hub


@pytest.mark.parametrize("kind", ["cut off", "wrong", "put there by hand"])
def test_downloads(kind: str, place: Place, hub: Hub) -> None:
    (place.folder / "own/data").mkdir(parents=True)
    (place.folder / "own/data/mine.yaml").write_text(OWN_SET)
    whole, words = hub.data, [*DOWNLOAD, f"url={hub.url}"]
    if kind == "put there by hand":
        (place.folder / "downloads/mine").mkdir(parents=True)
        (place.folder / "downloads/mine/Set.zip").write_bytes(b"no archive")
    elif kind == "wrong":
        hub.data = archive({"train": b"x\n"})
    else:
        hub.cuts = [100] * downloading.ATTEMPTS
    done = place.command(words)
    assert done.returncode == 1, done.stdout
    hub.data = whole
    place.follow(done.stderr.splitlines()[-1])
    assert place.command(words).returncode == 0


def test_a_measurement_of_steps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "section_reports", lambda *_: [])  # figures are drawn elsewhere
    path = place.folder / "report/figure6/step_times.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    (line,) = (x for x in place.command(REPORT).stderr.splitlines() if path.name in x)
    place.follow(line)
    assert path.name not in place.command(REPORT).stderr and not path.exists()


def test_the_record_of_a_gpu(place: Place) -> None:
    results, about = Results(place.folder), {"torch": torch.__version__}
    path = results.gpu("A GPU", "json")
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(UserError) as error:
        GpuRecord(results, "A GPU", about)
    place.follow(str(error.value))
    assert not GpuRecord(results, "A GPU", about).failures


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


ROW_FILES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut gzip": ("rows.gz", cut),
    "cut Parquet": ("rows.parquet", cut),
    "damaged Parquet": ("rows.parquet", lambda data: data[:20] + b"x" * 60 + data[80:]),
    "a column too many": ("rows.csv", lambda data: data + b"1,x,1,1\n"),
    "a second header": ("rows.csv", lambda data: data + b"a,b,y\n"),
    "a user without a row": ("ml1m_users.dat", cut),
    "a user twice": ("ml1m_users.dat", lambda data: data + data[: data.index(b"\n") + 1]),
}


@pytest.mark.parametrize("kind", ROW_FILES)
def test_files_of_rows(kind: str, place: Place) -> None:
    name, damage = ROW_FILES[kind]
    path = place.folder / "files" / name
    words = ["prepare", *LR, f"data.path=files/{name}"]
    if name.startswith("ml1m"):
        words = ["prepare", "data=movielens", "data.path=files", "results=."]
    shutil.rmtree(place.folder / "stores")
    expected = place.command(words).stdout
    shutil.rmtree(place.folder / "stores")
    path.write_bytes(damage(path.read_bytes()))
    check(place, words, expected)

"""The command: one line for a mistake, exit status, experiments."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import ctrbench, process

from ctrbench.command.verb_parser import VERBS

SMALL = ["data.rows=4000", "data.vocabulary=50", "trainer.epochs=1", "threads=1"]
HEAVY = ("torch", "polars", "pandas", "matplotlib", "sklearn")

UNKNOWN_VERBS = {
    "trian": "trian: no such verb; did you mean train?",
    "model=lr": "model=lr: no such verb; known: train, ",
}
MISTAKES = {
    "train --fast": "--fast: no such option of train; see ctrbench train --help",
    "train -cn other": "-cn: no such option of train; there is one config; put YAML files of your",
    "train --run": "--run: no such option of train; without -m there is one run as it is",
    "prepare -m": "-m: no such option of prepare; it belongs to train\n",
    "report -m": "-m: no such option of report; it belongs to train\n",
    "reproduce table2 -m": "-m: no such option of reproduce; it belongs to train; lists need no fl",
    "tune -m": "-m: no such option of tune; it belongs to train; lists need no flag here",
    "bench --multirun": "--multirun: no such option of bench; it belongs to train; lists need no",
    "train --config-dir /no/folder": "--config-dir /no/folder: no such folder",
    "train --config-dir": "argument --config-dir/-cd: expected one argument",
    "train --cfg job -p modle": "-p modle: no such part; did you mean model?",
    "train --cfg job -p model.droput": "-p model.droput: no such part; did you mean model.dropout?",
    "train deepfm": "deepfm: not KEY=VALUE",
    "train =3": "=3: not KEY=VALUE",
    "train model=deepfn": "model=deepfn: no such choice; did you mean deepfm?",
    "train model=null": "model=null: is chosen by one name: model=NAME",
    "train model=[lr,fm]": "model=[lr,fm]: is chosen by one name: model=NAME",
    "train model=../model/fm": "model=../model/fm: no such choice; known here: afm, afn",
    "train ~model": "~model: a run needs one; choose another by model=NAME",
    "train ~seed": "seed: has no value; give one with seed=VALUE",
    "train model=lr,fm": "model=lr,fm: several runs need ctrbench train -m",
    "train seed=range(3)": "seed=range(3): several runs need ctrbench train -m",
    "train model=lr model.name=deepfm": "model.name=deepfm: a name is no option; it is chosen by",
    "train model=deepfm model.name=lr_dnn": "model.name=lr_dnn: a name is no option",
    "train budget.name=tiny": "budget.name=tiny: a name is no option; it is chosen by budget=NAME",
    "train optimizer.name=sgd": "optimizer.name=sgd: a name is no option; it is chosen by",
    "train model=fnn pretraining.model.name=lr": "pretraining.model.name=lr: a name is no option",
    "train model=wide_deep optimizer.wide.name=adam": "optimizer.wide.name=adam: a name is no",
    "train data.name=../../../x": "data.name=../../../x: not a name; use letters, digits",
    "train data.name=/abs": "data.name=/abs: not a name",
    "train data.name=..": "data.name=..: not a name",
    "train tuned=../../x": "tuned=../../x: no such choice",
    "train tuned=planted/fmm": "tuned=planted/fmm: no such choice; did you mean planted/fm?",
    "train tuned=fm": "tuned=fm: no such choice",
    "train tuned@pretraining=planted/fmm": "tuned@pretraining=planted/fmm: no such choice",
    "train experiment=table3": "experiment=table3: no such choice; did you mean table2?",
    "train results=": "results=: is empty; leave it out or give a value",
    "report results=": "results=: is empty",
    "report result=x": "result: no such option of report; it takes [FOLDER ...] [name=NAME]",
    "train model.droput=0.1": "model.droput: no such key; did you mean dropout?",
    "train +model.droput=0.1": "model.droput: no such key; did you mean dropout?",
    "train modle.dropout=0.1": "modle: no such key; did you mean model?",
    "train +lr=.1 model=fnn": "lr: no such key; did you mean optimizer.lr?",
    "train name=x": "name: no such key; did you mean data.name?",
    "train droput=.3": "droput: no such key; did you mean model.dropout?",
    "train schdule=plateau": "schdule: no such key; did you mean schedule?",
    "train data.name=x data.path=x.csv": "data.path: data=planted reads no file; name the lay",
    "train data.label=x": "name the layout: data=table",
    "train data=table data.rows=5": "data.rows: no such key of these rows; it is one of data=pl",
    "bench row=5": "row: no such key; did you mean bench.rows?",
    "reproduce figure6 round=5": "round: no such key; did you mean bench.rounds?",
    "train trails=3": "trails: no such key; did you mean trainer?",
    "train recipe=foo": "recipe=foo: no such choice; known here: bars/avazu_x1/MODEL, ",
    "train model.dropout=much": "model.dropout=much: not a number",
    "train trainer.epochs=ten": "trainer.epochs=ten: not a whole number",
    "train model.batch_norm=x": "model.batch_norm=x: not true or false",
    "train seed=null": "seed=null: needs a value",
    "train device=[cpu]": "device=['cpu']: not one value",
    "train model.hidden=400": "model.hidden=400: give a list, model.hidden=[400]",
    "train data.encodings={I1:value}": "give a list, data.encodings=[I1:value]",
    "train data.history={of:C1}": "data.history.of=C1: give a list, data.history.of=[C1]",
    "train data.history=3": "data.history=3: give its keys, {KEY: VALUE, ...}",
    "train model=wide_deep model.crosses=[C1,C2]": "give a list, model.crosses=[[C1,C2]]",
    "train model=wide_deep model.crosses=[[C1,3]]": "model.crosses[0]=3: not text; quote it",
    "tune trials=1.5": "trials=1.5: not a whole number",
    "tune trials=null": "trials=null: needs a value",
    "tune trials=[1": "trials=[1: not readable as KEY=VALUE",
    "reproduce table2 experiment.models=3": "experiment/table2.yaml: models=3: give a list",
    "train model.dropout=1": "model.dropout=1.0: must be less than 1 (probability of DROPPING",
    "train model.dropout=-.1": "model.dropout=-0.1: must be at least 0 (probability of DROPPING",
    "train model.hidden=[8,0]": "model.hidden=0: must be at least 1",
    "train optimizer.betas=[0.9]": "optimizer.betas=[0.9]: give two, one for each moment",
    "train model.hidden=[]": "model.hidden=[]: give the width of a layer at least",
    "train model.shape=diamond model.total_neurons=2": "shape=diamond: 2 neurons in 3 layers give",
    "train model=ccpm model.maps=[4]": "model.maps=[4], model.filters=[6, 5]: give both",
    "train model=wide_deep model.crosses=[[C1,C99]]": "[C1, C99]: no such field C99; did you mean",
    "train model=wide_deep model.crosses=[[C1,C1]]": "[C1, C1]: C1 stands in it twice",
    "train model=wide_deep model.crosses=[[C1]]": "[C1]: a cross takes two fields or more",
    "train model=wide_deep model.crosses=[[C1,C2],[C2,C1]]": "[C2, C1]: declared twice",
    "train model=wide_deep model.crosses=[[I1,C1]] data.numeric=value": "I1 is encoded as value",
    "train model=wide_deep data.exclude=[C5]": "no such field C5",
    "train data.exclude=[C27]": "data.exclude=C27: no such field; did you mean",
    "train model=fnn pretraining.run=/no/run": "pretraining.run=/no/run: not a finished run",
    "train optimizer=adagrad": "optimizer=adagrad: the tuned values of this model are adam's",
    "train optimizer=joint": "optimizer=joint: the tuned values of this model are another",
    "train pretraining.trainer.epochs=3": "pretraining.trainer.epochs: model=deepfm has no pre-tr",
    "train model=gdcn pretraining.run=x": "pretraining.run: this model has no pre-training",
    "train model=fnn pretraining.trainer.eval_every=0": "pretraining.trainer.eval_every=0: give a",
    "train data=frappe_x1 data.name=mine": "ctrbench download frappe_x1 fetches it, with the same",
    "train data=movielens": "data=movielens needs data.path=FOLDER",
    "train data=movielens data.path=/no/folder": "/no/folder: no such folder",
    "train model.activation=relo": "model.activation=relo: not known; did you mean relu?",
    "train split.fractions=[0.5,0.4,0.2]": "split.fractions=[0.5, 0.4, 0.2]: give three shares",
    "train data.effects=[1]": "data.effects=[1.0]: give four shares",
    "prepare data.encodings=[C1:value]": "data.encodings=C1:value: not known for a categorical",
    "prepare data.encodings=[I1:log]": "data.encodings=I1:log: not known",
    "train data=criteo": "data=criteo needs data.path=FILE",
    "train data=criteo data.path=/no/file": "/no/file: no such file",
    "train data=criteo data.path=a=b.csv": "quote the value, then for the shell the word: 'data",
    "train data=criteo data.path=日本é.csv": "'data.path=\"日本é.csv\"'",
    "train data=criteo data.path=${x}.csv": "data.path: Interpolation key 'x' not found",
    "train seed=${seed}": "seed: Recursive interpolation detected",
    "train seed=${oc.env:PATH}": ": not a whole number",
    "train data=criteo data.train=/no/file": "data=criteo needs data.valid=FILE, data.test=FILE",
    "train device=gpu": "device=gpu: not known; did you mean cpu?",
    "train threads=1000000": "threads=1000000: this machine has",
    "train -m model=lr,deepfn": "ctrbench: model=deepfn: no such choice; did you mean deepfm?",
    "train -m model=lr,dnn model.maps=[4]": "model.maps: no such key",
    "train -m model.dropout=2": "ctrbench: model.dropout=2.0: must be less than 1",
    "train -m optimizer.lr=interval(0.1,1)": "optimizer.lr=interval(0.1,1): drawn values need a",
    "train -m hydra/sweeper=optuna": "hydra/sweeper=optuna: no such choice; known here: basic;",
    "train hydra.sweeper.max_batch_size=2": "hydra.sweeper.max_batch_size=2: is read by sweeps",
    "train -m hydra.sweeper.params={seed:1}": "hydra.sweeper.params={seed:1}: values to sweep are",
    "train -m +hydra.sweeper.params.seed=1": "are an override of their own: seed=A,B",
    "train -m hydra.sweeper={params:{seed:1}}": "hydra.sweeper",
    "train -m hydra.job.env_copy=[NONE_SUCH]": "hydra.job.env_copy=[NONE_SUCH]: not understood",
    "train -m hydra.runtime.cwd=x": "hydra.runtime.cwd=x: has no effect here",
    'train -m hydra.overrides.task=["seed=1"]': "has no effect here",
    "train results=/proc/nowhere": "/proc/nowhere: No such file or directory",
    "reproduce table3": "table3: no such experiment; did you mean table2?",
    "reproduce table2 model": "model: one word too many for EXPERIMENT",
    "reproduce --dry-run": "--dry-run: needs an experiment; of all: --list",
    "reproduce table2 --list": "--list: is of all experiments; of table2: --dry-run",
    "reproduce --trial": "--trial: goes with --list or --dry-run",
    "reproduce figure6 seed=0,1": "seed=0,1: figure6 measures one setting; only model= may be a",
    "report /no/folder": "/no/folder: no such folder",
    "predict run": "predict takes a run's directory and a file: ctrbench predict RUN FILE",
    "predict run nosuch.csv": "nosuch.csv: no such file; ctrbench predict RUN FILE scores",
    "download criteo_x5": "criteo_x5: no such public set; did you mean criteo_x4?",
    "download criteo": "criteo: no such public set; did you mean criteo_x4?",
    "download criteo -cd own": "own/data/broken.yaml",
}
STATUS = dict.fromkeys(MISTAKES, 1) | dict.fromkeys(UNKNOWN_VERBS, 2)


@pytest.mark.parametrize("words", STATUS)
def test_one_line_for_a_mistake(words: str, tmp_path: Path) -> None:
    (tmp_path / "own/data").mkdir(parents=True)
    (tmp_path / "own/data/broken.yaml").write_text("name: [x\n")
    done = ctrbench(*words.split(), cwd=tmp_path)
    assert done.returncode == STATUS[words]
    assert (MISTAKES | UNKNOWN_VERBS)[words] in done.stderr and done.stdout == ""
    assert done.stderr.startswith("ctrbench: ") and done.stderr.count("\n") == 1


def test_results_that_are_a_file(tmp_path: Path) -> None:
    (tmp_path / "ok.csv").write_text("a\n")
    done = ctrbench("train", "results=ok.csv", cwd=tmp_path)
    assert "results=ok.csv: is a file; name another folder" in done.stderr and done.returncode == 1


def test_exit_status_of_a_process() -> None:
    done = process("train", "model=deepfn")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "ctrbench: model=deepfn: no such choice; did you mean deepfm?\n"
    assert process("trian").returncode == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "words", ["train device=cuda", "train -m device=cuda seed=0,1", "bench gpu"]
)
def test_what_this_machine_cannot_do_is_status_2(words: str, tmp_path: Path) -> None:
    done = ctrbench(*words.split(), cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "no GPU is visible to torch" in done.stderr.splitlines()[-1]


def test_what_goes_on_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(words: list[str]) -> None:
        raise KeyboardInterrupt

    for verb in VERBS:
        monkeypatch.setitem(VERBS, verb, stopped)
        done = ctrbench(verb)
        goes_on = verb in ("train", "reproduce", "tune")
        more = "; the same command goes on with the runs that it began" if goes_on else ""
        assert done.returncode == 130 and done.stderr == f"stopped{more}\n"


def test_no_heavy_package_before_the_work() -> None:
    """Help and the answer to a mistyped command import none of them; a run does."""
    code = f"""
import sys
from ctrbench.command.cli import main
for words in ("--help", "train --help", "predict --help", "trian", "reproduce tabel2",
              "reproduce table2 seeed=1", "download x",
              "train model.nop=1", "train -m seed=0,1 threads=0", "prepare tuned=x"):
    sys.argv = ["ctrbench", *words.split()]
    try:
        main()
    except SystemExit:
        loaded = [name for name in {HEAVY} if name in sys.modules]
        print(words, *loaded, file=sys.stderr) if loaded else None
print("end", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = [line for line in done.stderr.splitlines() if not line.startswith("ctrbench: ")]
    assert told == ["end"]


def test_a_bad_row_leaves_one_line(criteo_file: Path, tmp_path: Path) -> None:
    criteo_file.write_text(criteo_file.read_text() + "1\t2\n")
    results = tmp_path / "out"
    done = ctrbench("train", "data=criteo", f"data.path={criteo_file}", f"results={results}")
    assert done.returncode == 1 and "line 601: 2 columns, expected 40" in done.stderr
    failed = json.loads(next(results.rglob("failed.json")).read_text())
    assert "line 601: 2 columns" in failed["message"] and failed["what"].startswith("deepfm on cri")
    assert not list(results.rglob("result.json")) and not list(results.rglob("*.partial"))


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_a_full_disk(limit: int, tmp_path: Path) -> None:
    """A limit on file size fails a write as a full disk does: in the store, or the checkpoint."""
    small = ["data.rows=5000", "data.vocabulary=50", "threads=1", f"results={tmp_path}"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        done = ctrbench("train", *small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "File too large" in last and "name another folder" in last
    if limit == 1_000_000:
        assert str(tmp_path / "runs" / "planted" / "deepfm") in last
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("*.tmp"))
    # what is prepared is kept, for the same command goes on from there
    assert len(list(tmp_path.rglob("*.partial"))) == (limit == 100_000)


def test_bench(tmp_path: Path) -> None:
    small = ["bench.features=5000", "bench.rows=512", "bench.rounds=2", "trainer.batch_size=256"]
    done = ctrbench("bench", "model=fm", "threads=1", *small, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    for part in ("forward", "backward", "optimizer", "rows/s", "times its limit"):
        assert part in done.stdout
    figures = json.loads((tmp_path / "report" / "bench" / "fm_fp32.json").read_text())
    assert figures["features"] == 5000 and figures["batch_size"] == 256
    (one,) = figures["models"]
    real, spread = one["touched_rows"].values()
    assert 39 < real < spread < 5000
    taken = one["seconds"]["step, real-like ids"]
    assert 0 < taken["least"] <= taken["median"] and figures["epoch"]["rows"] == 512


def test_reproduce(tmp_path: Path) -> None:
    words = ["reproduce", "table2", "seed=0", *SMALL, "model=lr,fm", f"results={tmp_path}"]
    done = ctrbench(*words)
    assert done.returncode == 0, done.stderr
    assert "Table 2" in done.stdout and len(list(tmp_path.glob("runs/*/*/*/result.json"))) == 2
    again = ctrbench(*words)
    assert again.stdout == done.stdout and "runs: 2 of 2 done" in again.stderr


def test_reproduce_reports_what_did_not_fail(tmp_path: Path) -> None:
    words = ["model=fm", "seed=0", "optimizer.lr=1e30,0.01", *SMALL, f"results={tmp_path}"]
    done = ctrbench("reproduce", "table2", *words)
    assert done.returncode == 1 and "1 of the sweep's jobs failed" in done.stderr
    assert "| FM " in done.stdout

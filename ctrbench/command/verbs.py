"""The verbs: their arguments, and the functions they call. Heavy modules are imported where
used."""

import dataclasses
import logging
import sys
from typing import TYPE_CHECKING, Any

from ctrbench.bench.gpu.settings import PREFIX, GpuSettings
from ctrbench.command.verb_parser import CONFIG_DIR, flag, verb
from ctrbench.config.verb_settings import (
    BenchSettings,
    FetchSettings,
    ReportSettings,
    TuneSettings,
)
from ctrbench.errors import UserError
from ctrbench.files import expanded
from ctrbench.progress import Activity
from ctrbench.settings import nearest

if TYPE_CHECKING:
    from ctrbench.config.settings import RunSettings


@verb(
    "[-m] [--from RUN] [--cfg job [-p PACKAGE]] [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench train model=deepfm data=criteo data.path=train.txt",
    "ctrbench train -m model=lr,fm,deepfm seed=0,1,2 data=planted",
    "ctrbench train recipe=bars/frappe_x1/deepfm",
    "ctrbench train --from results/runs/criteo/deepfm/0123456789abcdef seed=1",
    flags=(
        flag("-m", "--multirun", action="store_true", help="a sweep over lists"),
        flag("-c", "--cfg", choices=("job", "hydra", "all"), help="print the config and stop"),
        flag("-p", "--package", help="with --cfg: print this part of it"),
        flag("--from", dest="run", metavar="RUN", help="the overrides of a run, then those given"),
        flag("--info", nargs="?", const="all", help="what Hydra finds, and where"),
    ),
)
def train(given: Any) -> None:
    """Train one run, or with -m one for every combination of the lists given."""
    from ctrbench.sweep import jobs, launch

    if given.run is not None:
        from ctrbench.runs.command import repeated_overrides

        given.words = repeated_overrides(expanded(given.run), given.words, given.config_dir)
    if given.info:
        return launch.show_info(["--info", given.info, *given.words])
    if given.cfg in ("hydra", "all"):
        return _show_hydra(given.words, given.cfg, given.package)
    from ctrbench.command.experiments import refuse_sweep

    refuse_sweep(given.words)
    with Activity("checking the runs"):
        jobs_to_run = (
            jobs.sweep_jobs(given.words) if given.multirun else [jobs.single_job(given.words)]
        )
        plans = jobs.plan_jobs(jobs_to_run)
    if given.cfg:
        return _show([job.settings for job in plans], given.package)
    plans[0].results.check()
    if not given.multirun:
        launch.train_run(plans[0])
        return
    from ctrbench.sweep.summary import summarise

    folder = launch.new_folder(plans[0].results)
    try:
        launch.launch(given.words, jobs_to_run, plans, folder)
    finally:
        if table := summarise(jobs_to_run, plans, folder):
            print(table, flush=True)


def _show_hydra(words: list[str], kind: str, package: str | None) -> None:
    from omegaconf import OmegaConf

    from ctrbench.config.compose import compose

    config = compose(words)
    visible = config if kind == "all" or package else OmegaConf.masked_copy(config, "hydra")
    part = OmegaConf.select(visible, package) if package else visible
    print(OmegaConf.to_yaml(part) if OmegaConf.is_config(part) else part)


def _show(runs: list["RunSettings"], package: str | None) -> None:
    from omegaconf import OmegaConf

    from ctrbench.config.suggestions import dotted_keys

    for settings in runs:
        values = dataclasses.asdict(settings)
        config, none = OmegaConf.create(values), object()
        part = OmegaConf.select(config, package, default=none) if package else config
        if part is none:
            keys = {*values, *(key for name in values for key in dotted_keys(values[name], name))}
            raise UserError(f"-p {package}: no such part; {nearest(str(package), keys)}")
        if OmegaConf.is_config(part):
            print(OmegaConf.to_yaml(part))
        else:
            print("null" if part is None else part)


@verb(
    "EXPERIMENT [--dry-run] [--config-dir DIR] [KEY=VALUE ...] | --list [KEY=VALUE ...]",
    "ctrbench reproduce --list budget=small",
    "ctrbench reproduce table2 data=planted model=lr,fm,deepfm",
    "ctrbench reproduce figure8 budget=small hydra/launcher=joblib",
    "ctrbench reproduce bars data=frappe_x1",
    "ctrbench reproduce figure6 bench.rounds=50",
    names=1,
    lists=True,
    flags=(
        flag("-l", "--list", action="store_true", help="what can be reproduced, its runs and time"),
        flag("-n", "--dry-run", action="store_true", help="the runs, and which are finished"),
        flag("--trial", action="store_true", help="with these: time a few steps where no run is"),
    ),
)
def reproduce(given: Any) -> None:
    """Make the runs of an experiment, then its report. What is finished is not run again."""
    from ctrbench.command import experiments, listing

    if given.list and given.names:
        raise UserError(f"--list: is of all experiments; of {given.names[0]}: --dry-run")
    if given.dry_run and not given.names:
        raise UserError("--dry-run: needs an experiment; of all: --list")
    if given.trial and not (given.list or given.dry_run):
        raise UserError("--trial: goes with --list or --dry-run")
    if given.dry_run:
        with Activity(f"checking the runs of {given.names[0]}"):
            text = listing.dry_run(given.names[0], given.words, by_steps=given.trial)
        print(text)
    elif given.names:
        experiments.reproduce(given.names[0], given.words)
    else:
        with Activity("reading experiments:") as activity:
            text = listing.listing(given.words, by_steps=given.trial, activity=activity)
        print(text)


@verb(
    "[trials=N] [warmup=N] [search.KEY=RANGE] [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench tune model=lr,fm,deepfm data=planted trials=30 trainer.patience=6",
    "ctrbench tune model=fm 'search.optimizer.lr=tag(log,interval(1e-4,1e-2))' trials=12",
    settings={"": TuneSettings},
    lists=True,
)
def tune(given: Any) -> None:
    """Search for the values of one model or several, on validation rows alone. The ranges are those
    of conf/search and of search.KEY=RANGE; a KEY=VALUE is not searched. The same command goes on to
    the number of trials; several processes may work at it. The values found are written as YAML
    that --config-dir finds."""
    from ctrbench.tune import Tuning

    tuning = Tuning(given.words, given.config_dir)
    tuning.results.check()
    for text in tuning.run():
        print(text, flush=True)


@verb(
    "[--verify] [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench prepare data=criteo data.path=train.txt",
    flags=(flag("--verify", action="store_true", help="look at every stored byte"),),
)
def prepare(given: Any) -> None:
    """Encode a data set; training finds it again."""
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(given.words)
    dataset.results.check()
    store = dataset.prepare()
    if given.verify:
        store.verify()
    for warning in store.manifest["warnings"]:
        print(warning, file=sys.stderr)
    rows = ", ".join(f"{name} {n:,}" for name, n in store.summary()["rows"].items())
    print(f"{store.folder}: {store.schema.features:,} features, rows: {rows}")


@verb(
    "[--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench data data=table data.path=clicks.csv data.label=clicked",
)
def data(given: Any) -> None:
    """Look at a data set before training: its columns, their types, its clicks."""
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(given.words)
    dataset.results.check()
    from ctrbench.report.dataset import write_page

    folder = dataset.results.report(f"data-{dataset.settings.name}-{dataset.content}")
    print(write_page(dataset.prepare(), folder))


@verb(
    "NAME [results=FOLDER] [url=ADDRESS] [--config-dir DIR]",
    "ctrbench download frappe_x1",
    names=1,
    settings={"": FetchSettings},
    composes=False,
    flags=(CONFIG_DIR,),
)
def download(given: Any) -> None:
    """Download a public data set by name; url is another address of its archive."""
    if len(given.names) != 1:
        raise UserError("download takes one name: ctrbench download NAME [results=FOLDER] [url=U]")
    from ctrbench.config.public_data import public_set
    from ctrbench.data.sources.download import download
    from ctrbench.results import Results

    name, own = given.names[0], FetchSettings(**_values(given.words))
    public, results = public_set(name), Results(own.results)
    results.check()
    for path in download(public, results.download(name), own.url):
        print(path)
    print(f"train with: ctrbench train data={name} results={own.results} model=...")


@verb(
    "[FOLDER ...] [name=NAME] [x=KEY] [slice=FIELD] [columns=A,B] [style=FILE] [results=FOLDER] "
    "[--config-dir DIR]",
    "ctrbench report",
    "ctrbench report results/runs/criteo x=model.dropout",
    "ctrbench report results/runs --against old/results/runs",
    flags=(
        flag("--against", metavar="FOLDER", help="compare with these runs, or this report"),
        CONFIG_DIR,
    ),
    names=sys.maxsize,
    settings={"": ReportSettings},
    composes=False,
)
def report(given: Any) -> None:
    """Write tables, figures and a page of all runs below some folders; of those in results= if none
    is named."""
    own, folders = ReportSettings(**_values(given.words)), list(map(expanded, given.names))
    if given.against is not None:
        useless = [word for word in given.words if not word.startswith(("results=", "name="))]
        if useless:
            raise UserError(f"--against: takes no {useless[0]}; give it results= or name=")
        with Activity("comparing"):
            from ctrbench.report.against import report_against

            text = report_against(folders, expanded(given.against), own.results, own.name)
        return print(text)
    with Activity("writing the report"):
        from ctrbench.report.report import report_on

        style = None if own.style is None else expanded(own.style)
        text = report_on(
            folders,
            *(own.results, own.name, own.x, own.slice),
            columns=own.columns,
            style=style,
            claims=own.claims == "true",
        )
    print(text)


@verb(
    "[peers|gpu] [bench.KEY=VALUE ...] [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench bench model=deepfm trainer.batch_size=4096 threads=2",
    "ctrbench bench model=lr,fm,deepfm precision=bf16",
    "ctrbench bench peers model=lr,fm,deepfm",
    "ctrbench bench gpu bench.gpu.parts=[checks,steps]",
    names=1,
    settings={"bench.": BenchSettings, PREFIX: GpuSettings},
    lists=True,
)
def bench(given: Any) -> None:
    """Measure a training step of a model against what the machine allows; several models in turn.
    With the word peers, beside FuxiCTR and DeepCTR-Torch; with the word gpu, check whether a GPU
    trains as a CPU does, and measure its steps, and epochs at Criteo's size."""
    if given.names == ["gpu"]:
        from ctrbench.bench.gpu.bench import bench_gpu as measure
    elif given.names == ["peers"]:
        from ctrbench.bench.peers import bench_peers as measure
    elif given.names:
        raise UserError(f"bench {given.names[0]}: not known; bench, bench peers or bench gpu")
    else:
        from ctrbench.bench.models import bench_models as measure
    print(measure(given.words))


@verb(
    "model=NAME [--config-dir DIR] [KEY=VALUE ...]",
    "ctrbench check model=deepfm",
)
def check(given: Any) -> None:
    """Check a model, also of your own: shapes, gradients, seed, order and number of rows, bf16,
    export, a run that is stopped and continued; and time its step beside DeepFM's. Exit status 1 if
    a check fails."""
    from ctrbench.check.model import check_model

    logging.getLogger().setLevel(logging.ERROR)  # of its runs
    for line in check_model(given.words):
        print(line, flush=True)


def _values(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)

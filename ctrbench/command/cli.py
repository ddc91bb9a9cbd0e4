"""The command ``ctrbench``: a verb, then Hydra's own override syntax."""

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ctrbench.errors import UserError, describe_os_error

USAGE = """\
usage: ctrbench VERB [OPTIONS] [KEY=VALUE ...]

  train [-m] model=deepfm data=criteo data.path=FILE   one run; with -m a sweep over lists
  reproduce EXPERIMENT [KEY=VALUE ...] | --list        an experiment: its runs, then its report
  data data=table data.path=FILE data.label=COLUMN     a look at a data set before training
  prepare data=criteo data.path=FILE                   encode a data set; training finds it again
  report [FOLDER ...]                                  the table of any run directories
  download NAME                                        a public set: criteo_x4, frappe_x1, ...
  predict RUN FILE                                     a probability per row of FILE
  export RUN [onnx=true]                               the model as a program of its own
  rows data=planted data.rows=1000                     planted rows in Criteo's raw layout
  bench model=deepfm                                   a training step beside the machine's limit

`ctrbench train --help` lists every key. Everything goes to results=FOLDER (default: results).
"""
log = logging.getLogger(__name__)


def main() -> None:
    """Entry point. A person's mistake is one line on stderr and exit status 1 (2: of usage)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sys.exit(_main(sys.argv[1:]))
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(describe_os_error(error))
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)


def _fail(line: str) -> None:
    print(f"ctrbench: {line}", file=sys.stderr)
    sys.exit(1)


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        from ctrbench import __version__

        print(__version__)
        return 0
    verbs: dict[str, Callable[[list[str]], None]] = {
        "train": train,
        "reproduce": reproduce,
        "data": data,
        "prepare": prepare,
        "download": download,
        "predict": predict,
        "export": export,
        "rows": rows,
        "report": report,
        "bench": bench,
    }
    if words[0] not in verbs:
        import difflib

        close = difflib.get_close_matches(words[0], verbs, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(verbs)}"
        print(f"ctrbench: {words[0]}: no such verb; {hint}", file=sys.stderr)
        return 2
    verbs[words[0]](words[1:])
    return 0


def train(words: list[str]) -> None:
    """One run, or with -m one for every combination of the lists given."""
    parser = argparse.ArgumentParser("ctrbench train", add_help=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-c", "--cfg", choices=["job"], help="print the config and stop")
    arguments, overrides = parser.parse_known_intermixed_args(words)
    if arguments.help:
        from ctrbench.command.reference import options

        print(options())
        return
    _refuse_flags("train", overrides)
    from ctrbench.command.launch import launch, plan, plan_sweep

    planned = plan_sweep(overrides) if arguments.multirun else [plan(overrides)]
    if arguments.cfg:
        from omegaconf import OmegaConf

        for job in planned:
            print(OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(job.settings))))
        return
    _check_results(planned[0].settings.results)
    launch(overrides, arguments.multirun)


def reproduce(words: list[str]) -> None:
    """The runs of an experiment, then its table."""
    from ctrbench.command.compose import compose
    from ctrbench.command.experiments import experiment_names, listing, sweep_overrides
    from ctrbench.command.launch import launch, plan_sweep
    from ctrbench.settings import nearest

    if not words or words[0] in ("-l", "--list", "-h", "--help"):
        print(listing())
        return
    name, overrides = words[0], words[1:]
    _refuse_flags("reproduce", overrides)
    if name not in experiment_names():
        raise UserError(f"{name}: no such experiment; {nearest(name, experiment_names())}")
    overrides = sweep_overrides(name, overrides)
    planned = plan_sweep(overrides)
    _check_results(planned[0].settings.results)
    launch(overrides, multirun=True)
    from ctrbench.report.tables import write_report

    about = compose([f"experiment={name}"]).experiment
    runs = [job.directory.path for job in planned]
    print(write_report(runs, planned[0].results.report(name), about.title, about.get("pivot")))


def prepare(words: list[str]) -> None:
    """Encode a data set."""
    _refuse_flags("prepare", words)
    from ctrbench.command.launch import plan

    planned = plan(words)
    _check_results(planned.settings.results)
    store = planned.prepare()
    rows = ", ".join(f"{name} {n:,}" for name, n in store.summary()["rows"].items())
    print(f"{store.folder}: {store.schema.features:,} features, rows: {rows}")


def data(words: list[str]) -> None:
    """A look at a data set."""
    _refuse_flags("data", words)
    from ctrbench.command.launch import plan

    planned = plan(words)
    _check_results(planned.settings.results)
    from ctrbench.report.dataset import write_page

    folder = planned.results.report(f"data-{planned.settings.data.name}")
    print(write_page(planned.prepare(), folder))


def download(words: list[str]) -> None:
    """A public set by its name."""
    _refuse_flags("download", words, named=True)
    names = [word for word in words if "=" not in word]
    values = dict(word.split("=", 1) for word in words if "=" in word)
    if len(names) != 1 or not values.keys() <= {"results", "url"}:
        raise UserError("download takes one name: ctrbench download NAME [results=FOLDER] [url=U]")
    from ctrbench.command.compose import public_set
    from ctrbench.data.sources.download import download
    from ctrbench.runs.record import Results

    public = public_set(names[0])
    results = values.get("results", "results")
    _check_results(results)
    for path in download(public, Results(results).download(names[0]), values.get("url")):
        print(path)
    print(f"train with: ctrbench train data={names[0]} results={results} model=...")


def predict(words: list[str]) -> None:
    """Probabilities for a file, on standard output."""
    _refuse_flags("predict", words, named=True)
    if len(words) != 2:
        raise UserError("predict takes a run's directory and a file: ctrbench predict RUN FILE")
    from ctrbench.runs.predict import predict

    predict(Path(words[0]), Path(words[1]), sys.stdout.buffer)


def export(words: list[str]) -> None:
    """A run's model as a program."""
    _refuse_flags("export", words, named=True)
    if len(words) not in (1, 2) or words[1:] not in ([], ["onnx=true"]):
        raise UserError("export takes a run's directory: ctrbench export RUN [onnx=true]")
    from ctrbench.runs.export import export

    for path in export(Path(words[0]), onnx=len(words) == 2):
        print(path)


def rows(words: list[str]) -> None:
    """Planted rows as text, on standard output."""
    _refuse_flags("rows", words)
    from ctrbench.command.launch import plan

    planned = plan(words)
    from ctrbench.data.sources.criteo import to_text
    from ctrbench.data.sources.planted import Planted

    if not isinstance(planned.source, Planted):
        name = planned.settings.data.name
        raise UserError(f"data={name}: only planted rows are made; data=planted")
    for piece in planned.source.slices():
        sys.stdout.buffer.write(to_text(piece.read()))


def report(words: list[str]) -> None:
    """The table of run directories."""
    _refuse_flags("report", words, named=True)
    folders = [word for word in words if "=" not in word]
    values = dict(word.split("=", 1) for word in words if "=" in word)
    for key in values.keys() - {"results"}:
        raise UserError(f"{key}: no such option of report; known here: results=FOLDER")
    from ctrbench.report.tables import write_report
    from ctrbench.runs.frame import find_runs
    from ctrbench.runs.record import Results

    results = Results(values.get("results", "results"))
    runs = find_runs([Path(folder) for folder in folders] or [results.runs])
    print(write_report(runs, results.report("runs"), "All runs"))


def bench(words: list[str]) -> None:
    """A training step beside the machine's limit."""
    _refuse_flags("bench", words)
    from ctrbench.command.launch import plan
    from ctrbench.command.settings import bench_settings

    own = bench_settings([word for word in words if word.startswith("bench.")])
    settings = plan([word for word in words if not word.startswith("bench.")]).settings
    _check_results(settings.results)
    from ctrbench.command.bench import bench as measure

    print(measure(settings, own))


def _refuse_flags(verb: str, words: list[str], *, named: bool = False) -> None:
    """Refuse what is no option of a verb, nor, but for one that takes names, KEY=VALUE."""
    for word in words:
        if word.startswith("-"):
            raise UserError(f"{word}: no such option of {verb}; see ctrbench --help")
        if "=" not in word and not named and word[:1] != "~":
            raise UserError(f"{word}: not KEY=VALUE; see ctrbench {verb} --help")


def _check_results(results: str) -> None:
    """The output folder can be written to: known before any work."""
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder}: may not be written to; name another folder with results=FOLDER")

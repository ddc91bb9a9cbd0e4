"""The command ``ctrbench``: a verb, then Hydra's own override syntax."""

import logging
import os
import sys

import ctrbench.command.verbs  # noqa: F401  enters them
from ctrbench.command.words import VERBS, refuse_verb
from ctrbench.errors import UserError, one_line

USAGE = """\
usage: ctrbench VERB [OPTIONS] [KEY=VALUE ...]

  train [-m] model=deepfm data=criteo data.path=FILE   one run; with -m a sweep over lists
  reproduce EXPERIMENT [KEY=VALUE ...] | --list        an experiment: its runs, then its report
  data data=table data.path=FILE data.label=COLUMN     a look at a data set before training
  prepare [--verify] data=criteo data.path=FILE        encode a data set; training finds it again
  tune model=deepfm data=... trials=30                 search for values; validation rows alone
  report [FOLDER ...] [name=NAME] [x=KEY]              tables, figures and a page of any runs
  download NAME                                        a public set: criteo_x4, frappe_x1, ...
  predict RUN FILE                                     a probability per row of FILE
  export RUN [onnx=true]                               the model as a program of its own
  rows data=planted data.rows=1000                     planted rows in Criteo's raw layout
  bench model=deepfm                                   a training step beside the machine's limit
  bench peers                                          the same beside FuxiCTR and DeepCTR-Torch
  bench gpu                                            check a GPU's results and measure its speed

`ctrbench VERB --help` says more, `ctrbench train --help` lists every key. Everything goes to
results=FOLDER (default: results).
"""
RESUMED = {"train", "reproduce", "tune"}  # verbs whose runs have checkpoints


def main() -> None:
    """Entry point. Exit status 0: done; 1: a mistake in what was given, or a run that failed, with
    a line on stderr; 2: no verb or an unknown one, or a GPU that this machine does not have;
    130: stopped by Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    words = sys.argv[1:]  # a sweep puts Hydra's in their place
    try:
        sys.exit(_main(words))
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (UserError, OSError) as error:
        print(f"ctrbench: {one_line(error)}", file=sys.stderr)
        sys.exit(error.status if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        resumes = RESUMED.intersection(words[:1])
        more = "; the same command goes on with the runs that it began" if resumes else ""
        print(f"stopped{more}", file=sys.stderr)
        sys.exit(130)


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        from ctrbench import __version__

        print(__version__)
        return 0
    if words[0] not in VERBS:
        return refuse_verb(words[0])
    VERBS[words[0]](words[1:])
    return 0

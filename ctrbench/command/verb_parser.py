"""Verbs: parsing of their arguments, their flags and help."""

import argparse
import dataclasses
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from ctrbench.command.option_text import describe, format_option
from ctrbench.errors import UserError

INSTEAD = {  # flags of Hydra that do nothing here
    "--config-name": "there is one config; put YAML files of your own into --config-dir DIR",
    "--config-path": "YAML files of your own are found with --config-dir DIR",
    "--resolve": "--cfg job shows resolved values as it is",
    "--run": "without -m there is one run as it is",
    "--hydra-help": "Hydra's settings that ctrbench reads: ctrbench train --cfg hydra",
    "--shell-completion": "a verb comes first, which Hydra's completion does not know",
    "--experimental-rerun": "the same command goes on with a run that was stopped",
    "--multirun": "it belongs to train",
}
SHORT = {
    "-cn": "--config-name",
    "-cp": "--config-path",
    "-m": "--multirun",
    "-r": "--run",
    "-sc": "--shell-completion",
}
VERBS: dict[str, "Verb"] = {}
Flag = tuple[tuple[str, ...], dict[str, Any]]


def _default(field: dataclasses.Field[Any]) -> str:
    """Return the default of a verb's own key as help shows it; empty if there is none."""
    factory = field.default_factory
    value = field.default if factory is dataclasses.MISSING else f"[{','.join(factory())}]"
    return "" if value is None else f" (default: {value})"


def flag(*names: str, **about: Any) -> Flag:
    """Return a flag of a verb as argparse takes it."""
    return names, about


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


@dataclass(frozen=True)
class Verb:
    """A verb of the command: its arguments and its function.

    Attributes:
        usage: its words, as its help shows them.
        examples: commands.
        names: how many words without a key it takes, at most.
        settings: the classes of its own keys, by what stands before these.
        lists: whether words may have lists of values, as those of ``train -m`` may.
        composes: whether it takes Hydra's keys too, with YAML files of one's own; with no keys at
            all, every word is a name.
        flags: beside --help and --version.
        work: takes the parsed words: ``names``, ``words`` (KEY=VALUE) and flags.
    """

    name: str
    usage: str
    examples: tuple[str, ...]
    names: int
    settings: dict[str, type]
    composes: bool
    lists: bool
    flags: tuple[Flag, ...]
    work: Callable[[Any], None]

    def __call__(self, words: list[str]) -> None:
        """Parse the arguments and do the work; --help and --version end here."""
        self._refuse_hydras(words)
        parser = self._parser()
        given, unknown = parser.parse_known_intermixed_args(words)
        if given.version:
            from ctrbench.version import __version__

            print(__version__)
            return
        if "config_dir" in given:
            from ctrbench.config.compose import use_folder

            use_folder(given.config_dir)
        if given.help:
            print(parser.format_help(), end="")
            if self.name == "train":
                from ctrbench.command.reference import option_reference

                print(f"\n{option_reference()}")
            return
        for word in unknown:
            raise UserError(
                f"{word}: no such option of {self.name}; see ctrbench {self.name} --help"
            )
        self._split(given)
        self.work(given)

    def _refuse_hydras(self, words: list[str]) -> None:
        own_flags = {name for names, _ in self.flags for name in names}
        for word in words:
            name = word.partition("=")[0]
            why = INSTEAD.get(SHORT.get(name, name))
            if why is not None and name not in own_flags:
                takes = self.lists and why == INSTEAD["--multirun"]
                more = "; lists need no flag here" if takes else ""
                raise UserError(f"{word}: no such option of {self.name}; {why}{more}")

    @property
    def keys(self) -> dict[str, str]:
        """The verb's own keys, with their descriptions."""
        return {
            f"{prefix}{field.name}": f"{describe(field)}{_default(field)}"
            for prefix, cls in self.settings.items()
            for field in dataclasses.fields(cls)
        }

    def _epilog(self) -> str:
        parts = []
        if self.settings:
            parts += ["keys:", *(format_option(key, doc) for key, doc in self.keys.items()), ""]
        if self.composes and self.name != "train":
            other = "other keys" if self.settings else "keys"
            parts += [f"{other} and values: ctrbench train --help", ""]
        return "\n".join([*parts, "examples:", *(f"  {line}" for line in self.examples)])

    def _parser(self) -> argparse.ArgumentParser:
        parser = _Parser(
            f"ctrbench {self.name}",
            usage=f"ctrbench {self.name} {self.usage}",
            description=inspect.getdoc(self.work),
            epilog=self._epilog(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
            allow_abbrev=False,
        )
        parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
        parser.add_argument("-h", "--help", action="store_true", help="show this help")
        parser.add_argument("--version", action="store_true", help="print the version of ctrbench")
        for names, about in (*((CONFIG_DIR,) if self.composes else ()), *self.flags):
            parser.add_argument(*names, **about)
        return parser

    def _is_key(self, argument: str) -> bool:
        """Return whether an argument is KEY=VALUE, or ``~KEY``, and not a path with an ``=``."""
        if self.names > 0 and (argument[:2] == "~/" or os.path.exists(argument)):
            return False
        if self.composes:
            return "=" in argument or argument[:1] == "~"
        key, equals, _ = argument.partition("=")
        return bool(self.settings and equals) and os.sep not in key

    def _split(self, given: Any) -> None:
        """Separate the arguments without a key, as ``names``, from the overrides KEY=VALUE."""
        is_key = [self._is_key(word) for word in given.words]
        given.names = [word for word, key in zip(given.words, is_key, strict=True) if not key]
        given.words = [word for word, key in zip(given.words, is_key, strict=True) if key]
        if len(given.names) > self.names:
            what = "not KEY=VALUE" if self.names == 0 else f"one word too many for {self.usage}"
            raise UserError(f"{given.names[-1]}: {what}; see ctrbench {self.name} --help")
        for word in () if self.composes else given.words:
            key, _, value = word.partition("=")
            if key not in self.keys:
                raise UserError(f"{key}: no such option of {self.name}; it takes {self.usage}")
            if not value:
                raise UserError(f"{word}: is empty; leave it out or give a value")


CONFIG_DIR = flag(
    *("--config-dir", "-cd"),
    metavar="DIR",
    help="files of your own: DIR/GROUP/NAME.yaml; DIR/models/NAME.py, optimizers/, sources/",
)
TRUST = flag("--trust", action="store_true", help="execute the code that the run keeps")


def verb(
    usage: str,
    *examples: str,
    names: int = 0,
    settings: dict[str, type] | None = None,
    composes: bool = True,
    lists: bool = False,
    flags: tuple[Flag, ...] = (),
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as the verb of that name; its docstring is the help text."""

    def enter(work: Callable[[Any], None]) -> Callable[[Any], None]:
        name, own = work.__name__.rstrip("_"), settings or {}  # import is a word of Python's
        VERBS[name] = Verb(name, usage, examples, names, own, composes, lists, flags, work)
        return work

    return enter


def refuse_verb(word: str) -> int:
    """Report a verb that does not exist; return exit status 2."""
    import difflib

    close = difflib.get_close_matches(word, VERBS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(VERBS)}"
    print(f"ctrbench: {word}: no such verb; {hint}", file=sys.stderr)
    return 2

"""The verb ``tune``: search for the values of a model on the validation rows."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from ctrbench.command.composition.compose import compose, use_folder
from ctrbench.command.composition.grammar import parsed, values_of
from ctrbench.command.composition.keys import key_of, without
from ctrbench.command.composition.meant import beside
from ctrbench.command.settings import WARMUP, TuneSettings, own_settings
from ctrbench.errors import UserError
from ctrbench.runs.record import Results


class Tuning:
    """A command: its models, checked before the first trial of any.

    Args:
        folder: of YAML files of one's own, which the values found are written to; None: one below
            ``results=``.

    Raises:
        UserError: for words that no search could take.
    """

    @beside(TuneSettings)
    def __init__(self, words: list[str], folder: str | None) -> None:
        own = [word for word in words if key_of(word) in TuneSettings.__annotations__]
        self.settings: TuneSettings = own_settings("tune", own)
        self.words = [word for word in words if word not in own]
        for word in self.words:
            if key_of(word).startswith("hydra"):
                raise UserError(
                    f"{word}: trials run one after the other; processes of the same command share "
                    "a search"
                )
        self.models, self.words = _models(self.words)
        from ctrbench.command.tune.request import Request, words_of_all

        self.results = Results(compose(words_of_all(self.models[0], self.words)).results)
        self.folder = Path(folder) if folder is not None else self.results.conf
        self._use_what_was_found()
        self.requests = [Request(model, self.words) for model in self.models]
        if importlib.util.find_spec("optuna") is None:
            raise UserError("tune: needs Optuna; pip install 'ctrbench[tune]'")

    def _use_what_was_found(self) -> None:
        """FNN starts from the FM that was tuned before it."""
        if self.folder.is_dir():
            use_folder(str(self.folder))

    def run(self) -> Iterator[str]:
        """Of each model what was found, written already."""
        from ctrbench.command.tune.found import write_found
        from ctrbench.command.tune.request import Request
        from ctrbench.command.tune.search import Search

        for number, request in enumerate(self.requests):
            if number:
                self._use_what_was_found()
                request = Request(request.model, self.words)
            patience = request.base.settings.trainer.patience
            warmup = self.settings.warmup or max(WARMUP, 3 * patience)
            study = Search(request, self.settings.trials, warmup).run()
            yield write_found(request, study, self.folder)


def _models(words: list[str]) -> tuple[list[str], list[str]]:
    """The models of ``model=A,B``, and the other words, each of which has one value."""
    plain = [word for word in words if not word.startswith("search.")]
    for word, override in zip(plain, parsed(plain), strict=True):
        if override.is_sweep_override() and key_of(word) != "model":
            raise UserError(f"{word}: several values are searched by search.{word}")
    return values_of("model", plain) or ["deepfm"], without("model", words)

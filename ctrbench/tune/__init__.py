"""Search for the values of models on the validation rows, by Optuna."""

import importlib.util
import logging
from collections.abc import Iterator

from ctrbench.config.applicable import keep_applicable
from ctrbench.config.compose import compose, use_folder
from ctrbench.config.grammar import parse_overrides, values_of
from ctrbench.config.keys import drop_key, key_of, keys_of
from ctrbench.config.suggestions import suggesting_keys
from ctrbench.config.verb_settings import MIN_WARMUP, TuneSettings, verb_settings
from ctrbench.errors import UserError
from ctrbench.files import expanded
from ctrbench.markdown import Rows, markdown
from ctrbench.results import Results

log = logging.getLogger(__name__)


class Tuning:
    """The searches of a command, one for each model, checked before the first trial of any.

    Args:
        folder: of YAML files of one's own, which the values found are written to; None: one below
            ``results=``.
    """

    @suggesting_keys(TuneSettings)
    def __init__(self, words: list[str], folder: str | None) -> None:
        own = [word for word in words if key_of(word) in TuneSettings.__annotations__]
        self.settings: TuneSettings = verb_settings("tune", own)
        self.words = [word for word in words if word not in own]
        for word in self.words:
            if key_of(word).startswith("hydra"):
                raise UserError(
                    f"{word}: trials run one after the other; processes of the same command share "
                    "a search"
                )
        self.models, self.words = _models(self.words)
        self.words_of = _overrides_by_model(self.models, self.words)
        from ctrbench.tune.request import Request, shared_overrides

        self.results = Results(
            compose(shared_overrides(self.models[0], self.words_of[self.models[0]])).results
        )
        self.folder = self.results.conf if folder is None else expanded(folder)
        self.trials: Rows = []  # of all searches so far, the best of each first
        self._use_what_was_found()
        self.requests = [Request(model, self.words_of[model]) for model in self.models]
        if importlib.util.find_spec("optuna") is None:
            raise UserError("tune: needs Optuna; pip install 'ctrbench[tune]'")

    def _use_what_was_found(self) -> None:
        """Let FNN start from the FM that was tuned before it."""
        if self.folder.is_dir():
            use_folder(str(self.folder))

    def run(self) -> Iterator[str]:
        """Search for the values of each model in turn; yield what to print of each, and a last
        table."""
        from ctrbench.tune.request import Request
        from ctrbench.tune.result import next_command, write_found
        from ctrbench.tune.search import Search

        rows: Rows = []
        for number, request in enumerate(self.requests):
            if number:
                self._use_what_was_found()
                request = Request(request.model, self.words_of[request.model])
            patience = request.base.settings.trainer.patience
            warmup = self.settings.warmup or max(MIN_WARMUP, 3 * patience)
            search = Search(request, self.settings.trials, warmup)
            study = search.run()
            with search.lock("found"):  # the study is read again within: what is written is final
                found = write_found(request, study, self.folder)
            self.trials += found.trials
            rows += found.trials[: 1 if len(self.requests) > 1 else None]
            yield found.text
        yield markdown(rows)
        if "recipe" not in keys_of(self.words):  # its values come before those of a search
            yield f"next: {next_command(self.requests, self.folder)}"


def _models(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the models of ``model=A,B``, and the other overrides, each of which has one value."""
    plain = [word for word in words if not word.startswith("search.")]
    for word, override in zip(plain, parse_overrides(plain), strict=True):
        if override.is_sweep_override() and key_of(word) != "model":
            raise UserError(f"{word}: several values are searched by search.{word}")
    return values_of("model", plain) or ["deepfm"], drop_key("model", words)


def _overrides_by_model(models: list[str], words: list[str]) -> dict[str, list[str]]:
    """Return the overrides and ranges of each model, without options that only other models
    have."""
    plain = [word for word in words if not word.startswith("search.")]
    searched = [
        f"{key_of(word).removeprefix('search.')}=null" for word in words if word not in plain
    ]
    jobs, notes = keep_applicable([[f"model={model}", *plain, *searched] for model in models])
    for note in notes:
        log.info("%s", note)
    return {
        model: [word for word in words if key_of(word).removeprefix("search.") in keys_of(job)]
        for model, job in zip(models, jobs, strict=True)
    }

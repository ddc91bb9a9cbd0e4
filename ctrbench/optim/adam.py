"""Adam (Kingma & Ba 2015)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as torchs_adam

from ctrbench.optim.decay import DecayedByParts, decayed_groups
from ctrbench.optim.missed import MissedSteps, Rows, neglected
from ctrbench.optim.registry import builds
from ctrbench.optim.settings import AdamSettings
from ctrbench.optim.touched import (
    ask_for_touched_rows,
    tables_on_cpu,
    touched,
)

WARM_UP = 300  # steps before what is missed can be caught up to within float32's rounding
ROUNDING = 1e-6  # of a row's move: its weight is then dense Adam's to about 1e-7 of the largest
LARGE = 8_000_000  # weights of a table from which the rows of a batch of 4,096 are faster than all
ROWS_AT_ONCE = 65_536  # when all rows are caught up


class Adam(DecayedByParts, torch.optim.Adam):
    """Torch's, dense and fused; L2 by parts.

    In a large table on a CPU only the rows of the batch are moved. The others get the steps that
    they miss, in which their momentum moves them, when they are next read (:class:`MissedSteps`):
    by a training step these rows, by an evaluation, a ``state_dict`` of model or optimizer all of
    them. So nobody sees another weight than dense Adam's, to float32's rounding; of a run that was
    interrupted between evaluations they can differ by that rounding from one that was not.

    This is so for betas whose :func:`neglected` term is at most ``ROUNDING``, as of 0.9 and 0.999,
    and without L2 on the tables. With others, as 0.9 and 0.99, every step moves all rows.
    """

    def __init__(self, model: nn.Module, settings: AdamSettings, *, large: int = LARGE) -> None:
        betas = (settings.betas[0], settings.betas[1])
        groups = decayed_groups(model, settings)
        super().__init__(groups, settings.lr, betas, settings.eps, fused=True)
        self._missed: dict[Tensor, MissedSteps] = {}
        self._held: dict[Tensor, tuple[Tensor, Rows]] = {}
        self._large: set[Tensor] = set()
        ask_for_touched_rows(model)
        decays = groups[0]["weight_decay"] or groups[0]["batch_decay"]
        can_miss = not decays and neglected(WARM_UP, betas) <= ROUNDING
        for embedding in tables_on_cpu(model):
            if embedding.weight.numel() >= large and can_miss:
                self._large.add(embedding.weight)
                embedding.read = partial(self._read, embedding.weight)
                embedding.before_all = self.catch_up
                embedding.register_state_dict_pre_hook(  # type: ignore[no-untyped-call]
                    lambda *_: self.catch_up()
                )

    def of_table(self, w: Tensor, group: dict[str, Any]) -> None:
        missed = self._missed_by(w)
        if missed is None:
            self._spread(w)
            return
        rows_U, grad_UD = touched(w)
        moved = self._rows(w, missed, rows_U)
        _update(*moved, grad_UD, self.state[w]["step"], group)
        missed.advance(float(group["lr"]))
        missed.put(rows_U, moved, *self._moments(w))
        w.grad = None

    def _missed_by(self, w: Tensor) -> MissedSteps | None:
        """None while all rows are moved in every step."""
        steps = int(self.state[w].get("step", 0))
        if w in self._large and w not in self._missed and steps >= WARM_UP:
            group = self.param_groups[0]
            self._missed[w] = MissedSteps(w, steps, group["betas"], group["eps"])
            self._spread.drop(w)
        return self._missed.get(w)

    def _moments(self, w: Tensor) -> tuple[Tensor, Tensor]:
        return self.state[w]["exp_avg"], self.state[w]["exp_avg_sq"]

    @torch.no_grad()
    def _read(self, w: Tensor, rows_U: Tensor) -> Tensor:
        """Rows of a table as dense Adam has them now."""
        missed = self._missed_by(w)
        if missed is None:
            return w.index_select(0, rows_U)
        moved = missed.caught_up(rows_U, *self._moments(w))
        self._held[w] = rows_U, moved
        return moved[0]

    def _rows(self, w: Tensor, missed: MissedSteps, rows_U: Tensor) -> Rows:
        """Those that the forward pass read, where the gradient is of these."""
        held_U, moved = self._held.pop(w, (None, None))
        if moved is not None and held_U is not None and held_U.data_ptr() == rows_U.data_ptr():
            return moved
        return missed.caught_up(rows_U, *self._moments(w))

    @torch.no_grad()
    def catch_up(self) -> None:
        """Move all rows to where dense Adam has them now."""
        for w, missed in self._missed.items():
            moments = self._moments(w)
            for rows_U in torch.arange(len(w)).split(ROWS_AT_ONCE):  # type: ignore[no-untyped-call]
                missed.put(rows_U, missed.caught_up(rows_U, *moments), *moments)
        self._missed.clear()
        self._held.clear()

    def move_all_rows(self) -> None:
        """At the cost of dense Adam, whatever the size of the table."""
        self.catch_up()
        self._large.clear()

    def state_dict(self) -> dict[str, Any]:
        """That of torch's Adam."""
        self.catch_up()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
        self._missed.clear()
        self._held.clear()
        super().load_state_dict(state_dict)


def _update(
    w: Tensor, m: Tensor, v: Tensor, g: Tensor, step: Tensor, group: dict[str, Any]
) -> None:
    beta1, beta2 = group["betas"]
    torchs_adam(
        *([w], [g], [m], [v], [], [step]),
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=0.0,
        eps=group["eps"],
        maximize=False,
    )


@builds(AdamSettings)
def adam(model: nn.Module, settings: AdamSettings) -> Adam:
    """Over all weights of a model."""
    return Adam(model, settings)

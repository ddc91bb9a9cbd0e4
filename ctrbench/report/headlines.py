"""What answers the question of an experiment: a sentence, and a figure that stands first.

An experiment's YAML file names one of ``HEADLINES`` under ``experiment.headline.figure``; the other
keys there are the fields of the class.
"""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ctrbench.errors import UserError
from ctrbench.settings import nearest

if TYPE_CHECKING:  # drawing takes matplotlib with it; a command is checked without
    from ctrbench.report.figures.drawing import Figure
    from ctrbench.report.section_report import SectionReport


@dataclass(frozen=True)
class Answer:
    """A sentence, empty where there is none, and its figures."""

    sentence: str = ""
    figures: "list[Figure]" = field(default_factory=list)


@dataclass(frozen=True)
class LeaderboardHeadline:
    """Which model is the best, and which others differ from it."""

    def of_section(self, report: "SectionReport") -> Answer:
        """Return the answer of one data set."""
        return Answer(report.leading)

    def of_all(self, reports: "list[SectionReport]") -> Answer:
        """Return the answer of all data sets together; empty where each has its own."""
        return Answer()


@dataclass(frozen=True)
class AblationHeadline(LeaderboardHeadline):
    """By how much an option moves AUC, and whether that is more than noise."""

    option: str

    def of_section(self, report: "SectionReport") -> Answer:
        """Return the sentence of the option's sweep, and its figure."""
        from ctrbench.report.judged.choices import choice_sentence

        figures = [f for f in report.ablations if f.name.endswith(f"ablation-{self.option}")]
        sentence = choice_sentence(report.section, report.tests, self.option)
        return Answer(sentence or report.leading, figures)


@dataclass(frozen=True)
class ScalingHeadline(LeaderboardHeadline):
    """At how many training rows a model overtakes the baseline."""

    def of_section(self, report: "SectionReport") -> Answer:
        """Return the crossings, and the figure over the number of training rows."""
        figures = [report.named(report.scaling.figure)] if report.scaling else []
        return Answer(report.leading, figures)


@dataclass(frozen=True)
class PublishedHeadline(LeaderboardHeadline):
    """How many of the published results are met."""

    def of_section(self, report: "SectionReport") -> Answer:
        """Return how many differences are small, and a figure of all."""
        from ctrbench.report.figures.published import draw_differences, published_sentence

        figures = [f for board in report.published for f in draw_differences(board)]
        sentences = [published_sentence(board) for board in report.published]
        return Answer(" ".join(sentences) or report.leading, [report.named(f) for f in figures])


@dataclass(frozen=True)
class EffectsHeadline(LeaderboardHeadline):
    """What each model leaves of effects of known order."""

    def of_all(self, reports: "list[SectionReport]") -> Answer:
        """Return which model leaves least of each set of effects."""
        from ctrbench.report.figures.orders import effects_sentence, excess_by_order

        sections = [report.section for report in reports]
        figure = excess_by_order(sections)
        return Answer() if figure is None else Answer(effects_sentence(sections), [figure])


@dataclass(frozen=True)
class PairHeadline(LeaderboardHeadline):
    """What one of two settings does to each model."""

    option: str
    metric: str = "auc"

    def of_section(self, report: "SectionReport") -> Answer:
        """Return which models it makes better, and a figure of both settings."""
        from ctrbench.report.figures.pairs import draw_pairs, pairs_sentence, setting_pairs

        pairs = setting_pairs(report.section, self.option, self.metric)
        if len(pairs) < 1:
            return Answer(report.leading)
        figure = draw_pairs(pairs, self.option, self.metric)
        sentence = pairs_sentence(pairs, self.option, self.metric)
        return Answer(sentence, [report.named(figure)])


HEADLINES: dict[str, type[LeaderboardHeadline]] = {
    "leaderboard": LeaderboardHeadline,
    "ablation": AblationHeadline,
    "published": PublishedHeadline,
    "scaling": ScalingHeadline,
    "effects": EffectsHeadline,
    "pairs": PairHeadline,
}


def make_headline(settings: dict[str, Any]) -> LeaderboardHeadline:
    """Make the headline that ``experiment.headline`` describes."""
    keys = dict(settings)
    name = str(keys.pop("figure", "leaderboard"))
    if name not in HEADLINES:
        raise UserError(f"headline.figure={name}: not known; {nearest(name, HEADLINES)}")
    cls = HEADLINES[name]
    known = [item.name for item in fields(cls)]
    for key in keys:
        if key not in known:
            raise UserError(f"headline.{key}: no key of {name}; {nearest(key, known)}")
    try:
        return cls(**keys)
    except TypeError:
        raise UserError(f"headline.figure={name}: needs {', '.join(known)}") from None

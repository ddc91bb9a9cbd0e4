"""Published results beside ours: a row for each model, sorted by the difference."""

import pandas as pd
from matplotlib.figure import Figure as Canvas

from ctrbench.report.figures.drawing import (
    DEVIATION,
    GREY,
    INK,
    PALETTE,
    Figure,
    canvas,
    save_figure,
    set_tooltips,
)
from ctrbench.report.names import model_title
from ctrbench.report.published.leaderboards import Leaderboard

CLOSE = 0.002  # the difference in AUC that the headline counts


def compared_rows(board: Leaderboard) -> pd.DataFrame:
    """Return the rows whose difference in AUC is known, the largest gain first."""
    rows = board.numbers.dropna(subset="auc_difference")
    return rows.sort_values("auc_difference", ascending=False, kind="stable", ignore_index=True)


def published_sentence(board: Leaderboard) -> str:
    """Return how many results are met, and the largest difference."""
    rows = compared_rows(board)
    if rows.empty:
        count = int((board.numbers["runs"] > 0).sum())
        return (
            f"{count} recipes were followed, on other rows than the published ones: not compared."
        )
    close = int((rows["auc_difference"].abs() <= CLOSE).sum())
    far = rows.loc[rows["auc_difference"].abs().idxmax()]
    return (
        f"{close} of {len(rows)} within {CLOSE:g} of the published AUC; the largest difference is "
        f"{far['auc_difference']:+.4f}, {far['model']}."
    )


def draw_differences(board: Leaderboard) -> list[Figure]:
    """Draw our AUC with its deviation and the published one in grey; none where none compares."""
    rows = compared_rows(board)
    if rows.empty:
        return []
    figure, narrow = (_draw(rows, width) for width in (8.0, 4.2))
    caption = (
        f"{published_sentence(board)} Sorted by the difference, ours less the published. "
        f"Lines through our dots: {DEVIATION}."
    )
    return [save_figure(figure, "published", board.title, caption, narrow)]


def _draw(rows: pd.DataFrame, width: float) -> Canvas:
    figure, ((panel,),) = canvas(1, 1, (width, 0.26 * len(rows) + 0.7))
    published = rows["published_mean_auc"].fillna(rows["auc_published"])
    places = list(range(len(rows)))
    panel.hlines(places, published, rows["auc"], color=GREY, lw=1, zorder=1)
    panel.plot(published, places, "o", color=GREY, ms=5, label="published")
    spread = rows["auc_std"].fillna(0)
    bars = panel.errorbar(
        rows["auc"], places, xerr=spread, fmt="o", color=PALETTE[0], ms=5, lw=1.2, label="ours"
    )
    set_tooltips(
        bars.lines[0],
        [
            f"{row.model}: ours {row.auc:.5f}, difference {row.auc_difference:+.5f}"
            for row in rows.itertuples()
        ],
    )
    panel.set_yticks(places, [_label(row) for _, row in rows.iterrows()])
    panel.set(ylim=(len(rows) - 0.5, -0.5), xlabel="test AUC")
    panel.ticklabel_format(axis="x", useOffset=False)
    panel.legend(frameon=False, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure


def _label(row: pd.Series) -> str:
    """Return the published name, with ours where it is another."""
    ours = model_title(str(row["ours"]))
    same = ours.lower().replace("-", "") == str(row["model"]).lower().replace("-", "")
    return str(row["model"]) if same else f"{row['model']} ({ours})"

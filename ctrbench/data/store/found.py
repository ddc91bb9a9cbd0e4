"""What was found in the columns of a set, as a table to read."""

from typing import Any

import polars as pl

MOST = 100  # rows shown; of more, the first and the last


def described(manifest: dict[str, Any]) -> str:
    """Return a table of the fields of a store and of the columns that were left out.

    Args:
        manifest: of a store that was just prepared.
    """
    rows = []
    for field, statistics in zip(manifest["fields"], manifest["statistics"], strict=True):
        rows.append(
            {
                "field": field["name"],
                "type": statistics["type"],
                "encoding": field["encoding"],
                "distinct": f"{statistics['distinct']:,}",
                "missing": f"{statistics['missing']:.1%}",
                "ids": f"{field['size']:,}",
                "note": manifest["doubts"].get(field["name"], ""),
            }
        )
    for name, why in manifest["left_out"].items():
        rows.append({"field": name, "note": f"left out: {why}"})
    frame = pl.DataFrame(rows, infer_schema_length=None).fill_null("")
    if (frame["note"] == "").all():
        frame = frame.drop("note")
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=MOST,
        tbl_cols=-1,
        tbl_width_chars=1000,
        fmt_str_lengths=1000,
    ):
        return str(frame)

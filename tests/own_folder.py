"""The folder of components that docs/own-models.md shows, and rows for it."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "own-models.md"
SMALL = ["model.hidden=[8]", "trainer.epochs=1", "threads=1"]
CLICKS = ["data=table", "data.path=clicks.csv", "data.label=clicked"]
EVENTS = ["data=events", "data.path=events.jsonl"]


def blocks() -> dict[str, str]:
    """Return the files that the page shows, by their path."""
    found = re.findall(r'^```\w+ title="(.*?)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.M)
    return {name: text for name, text in found if name.startswith("my/")}


def write_own_folder(folder: Path, *names: str) -> Path:
    """Write files of the page (default: all) below a folder, and rows beside them; return ``my``.

    The YAML file that overrides another group is left out unless it is named.
    """
    for name, text in blocks().items():
        if name in names or (not names and name != "my/model/gatefm.yaml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    rows = [(i % 7, i % 3, i % 11 / 10, int(i * 7 % 5 < 2)) for i in range(400)]
    lines = [",".join(map(str, row)) for row in rows]
    (folder / "clicks.csv").write_text("\n".join(["shop,day,price,clicked", *lines]) + "\n")
    events = [
        f'{{"shop": "{s}", "day": "{d}", "price": {p}, "clicked": {c}}}' for s, d, p, c in rows
    ]
    (folder / "events.jsonl").write_text("\n".join(events) + "\n")
    return folder / "my"

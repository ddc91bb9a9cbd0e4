"""A page in a real browser, in a frame of any width: a headless window has 500 pixels at least."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=3000 --dump-dom "
    "--window-size=1500,900 --allow-file-access-from-files"
)


def look(html: str, probe: str, folder: Path, width: int) -> dict[str, Any]:
    """Return the JSON object that a probe leaves in ``parent.document.title``.

    Args:
        probe: script elements at the end of the page.
        folder: for the page and the browser's profile.
    """
    (folder / "page.html").write_text(html.replace("</body>", f"{probe}</body>", 1))
    frame = f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
    (folder / "frame.html").write_text(f"<title></title>{frame}")
    words = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={folder}/profile"]
    done = subprocess.run(
        [*words, str(folder / "frame.html")], capture_output=True, text=True, timeout=120
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None and title[1], done.stderr[-2000:]
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found

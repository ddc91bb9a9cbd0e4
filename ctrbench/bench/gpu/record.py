"""The record of a GPU's results: ``results/gpu/DEVICE.json``, and a page of it."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from ctrbench.bench.gpu.settings import PARTS
from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.markdown import Rows, markdown
from ctrbench.results import Results

Figures = dict[str, Any]


@cache
def code_digest() -> str:
    """Return a hash of the package's code: results of another version are measured again."""
    folder = Path(__file__).parents[2]
    files = sorted(path for path in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


class GpuRecord:
    """The figures of one device, by part and key; written to disk after every one.

    What the file holds is taken over where the same code and torch found it, asked the same, and it
    did not fail.
    """

    def __init__(self, results: Results, device: str, environment: Figures) -> None:
        self.json, self.page = results.gpu(device, "json"), results.gpu(device, "md")
        self.figures: Figures = {
            "device": device,
            "code": code_digest(),
            "environment": environment,
        }
        self.figures |= {part: {} for part in PARTS}
        self.json.parent.mkdir(parents=True, exist_ok=True)
        if self.json.exists():
            self._take_over()

    def _take_over(self) -> None:
        try:
            before = json.loads(self.json.read_text())
            found, ours = ((f["code"], f["environment"]["torch"]) for f in (before, self.figures))
            if found == ours:
                self.figures |= {part: before[part] for part in PARTS}
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{self.json}: not written by bench gpu; delete it") from None

    def has(self, part: str, key: str, asked: str) -> bool:
        """Return whether a result is there and did not fail.

        Args:
            asked: a hash of what the figures depend on beside the code.
        """
        found = self.figures[part].get(key, {"failed": ""})
        return "failed" not in found and bool(found["asked"] == asked)

    def add(self, part: str, key: str, asked: str, figures: Figures) -> None:
        """Add a result; a failure has its reason as ``failed``."""
        self.figures[part][key] = figures | {"asked": asked}
        write_atomic(self.json, json.dumps(self.figures, indent=1) + "\n")
        write_atomic(self.page, page(self.figures))

    @property
    def failures(self) -> list[str]:
        """A line each."""
        return [
            f"{part}, {key}: {found['failed']}"
            for part in PARTS
            for key, found in self.figures[part].items()
            if "failed" in found
        ]


def page(figures: Figures) -> str:
    """Return the figures as Markdown."""
    about = figures["environment"]
    lines = [
        f"# {figures['device']}",
        "",
        f"By `ctrbench bench gpu`; torch {about['torch']}, Python {about['python']}, commit "
        f"{about['commit'] or 'unknown'}.",
    ]
    tables = {"Checks": _checks, "Steps": _steps, "Epochs": _epochs}
    for title, table in tables.items():
        found = figures[title.lower()]
        rows = table({k: v for k, v in found.items() if "failed" not in v})
        lines += ["", f"## {title}", "", markdown(rows) if rows else "None yet."]
        failed = [f"- **{k} failed**: {v['failed']}" for k, v in found.items() if "failed" in v]
        lines += ["", *failed] if failed else []
    return "\n".join(lines) + "\n"


def _checks(found: Figures) -> Rows:
    rows: dict[str, dict[str, str]] = {}
    for key, figures in found.items():
        model, check = key.split()
        row = rows.setdefault(model, {"model": model})
        values = (
            f"{k} {v:.0e}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()
        )
        row[check] = ", ".join(values) or "ok"
    return list(rows.values())


def _steps(found: Figures) -> Rows:
    return [
        {
            "step": key,
            "features": f"{f['features']:,}",
            "batch": f"{f['batch_size']:,}",
            "plain ms": f"{1e3 * f['seconds']['plain']:.3f}",
            "captured ms": f"{1e3 * f['seconds']['captured']:.3f}",
            "rows/s": f"{f['rows_per_second']['captured']:,.0f}",
            "busy": f"{100 * f['busy']:.0f} %",
            "matmul ms": f"{1e3 * f['limits']['products']:.3f}",
            "memory ms": f"{1e3 * f['limits']['memory']:.3f}",
            "times the limit": f"{f['times_the_limit']:.1f}",
            "peak MiB": f"{f['peak_memory_bytes'] / 2**20:,.0f}",
        }
        for key, f in found.items()
    ]


def _epochs(found: Figures) -> Rows:
    return [
        {
            "epoch": key,
            "rows": f"{f['rows']:,}",
            "steps": f"{f['steps']:,}",
            "first s": f"{f['first_seconds']:.2f}",
            "next s": f"{f['seconds']:.2f}",
            "rows/s": f"{f['rows_per_second']:,.0f}",
            "busy": f"{100 * f['busy']:.0f} %",
            "evaluation s": f"{f['evaluate_seconds']:.2f}",
            "of rows": f"{f['valid_rows']:,}",
            "valid auc": f"{f['valid_auc']:.4f}",
            "peak MiB": f"{f['peak_memory_bytes'] / 2**20:,.0f}",
        }
        for key, f in found.items()
    ]

"""The settings and properties of the models: a file for each file of formulas, of the same name.

Importing any of them registers them all, so that no settings depend on what else a process has
imported. Nothing here imports torch, so that listing, composing and reporting need none.
"""

from ctrbench.registry import import_all

import_all(__name__)

"""The settings of the models, registered under the models' names.

Importing any of them registers them all, so that no settings depend on what else a process has
imported. Nothing here imports torch, so that a mistyped command is answered at once.
"""

from ctrbench.registry import import_all

import_all(__name__)

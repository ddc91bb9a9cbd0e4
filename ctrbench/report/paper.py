"""What the DeepFM paper printed (Guo et al. 2017): data, not code.

The arXiv version (1703.04247v1) and the IJCAI proceedings print different numbers in Table 2; both
are kept. In the arXiv column the AUCs of LR & DNN and FM & DNN are swapped, as printed.
"""

from typing import NamedTuple


class Printed(NamedTuple):
    """A cell of Table 2."""

    auc: float
    logloss: float


CRITEO_ROWS = 45_840_617

TABLE2_CRITEO: dict[str, dict[str, Printed]] = {
    "arXiv": {
        "lr": Printed(0.7686, 0.47762),
        "fm": Printed(0.7892, 0.46077),
        "fnn": Printed(0.7963, 0.45738),
        "ipnn": Printed(0.7972, 0.45323),
        "opnn": Printed(0.7982, 0.45256),
        "pnn": Printed(0.7987, 0.45214),
        "lr_dnn": Printed(0.7981, 0.46772),
        "fm_dnn": Printed(0.7850, 0.45382),
        "deepfm": Printed(0.8007, 0.45083),
    },
    "IJCAI": {
        "lr": Printed(0.7804, 0.46782),
        "fm": Printed(0.7894, 0.46059),
        "fnn": Printed(0.7959, 0.46350),
        "ipnn": Printed(0.7971, 0.45347),
        "opnn": Printed(0.7981, 0.45293),
        "pnn": Printed(0.7983, 0.45330),
        "lr_dnn": Printed(0.7858, 0.46596),
        "fm_dnn": Printed(0.7980, 0.45343),
        "deepfm": Printed(0.8016, 0.44985),
    },
}

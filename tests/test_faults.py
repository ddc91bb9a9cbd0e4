"""Every verb under faults: it is killed, gets signals, meets a small disk, finds damaged files.

``CTRBENCH_FAULTS=200 pytest -m slow tests/test_faults.py`` tries 200 places of each verb.
"""

import json
import random
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from helpers.faults import (
    Commands,
    Disturbed,
    Scenario,
    commands_in,
    environment_number,
    sample,
)
from helpers.hub import MD5, Hub, serving

pytestmark = pytest.mark.slow
COUNT = environment_number("CTRBENCH_FAULTS", 3)
SEED = environment_number("CTRBENCH_FAULTS_SEED", 0)
ROWS = ["data=planted", "data.rows=1500", "data.vocabulary=20", "threads=1", "results=."]
TRAIN = ["train", "trainer.epochs=2", "trainer.batch_size=256", *ROWS]
REPORT = ["report", "results=."]
LR, FM = [*TRAIN, "model=lr"], [*TRAIN, "model=fm"]
SWEEP = ["train", "-m", *FM[1:], "seed=0,1"]
FNN = [*TRAIN, "model=fnn", "model.hidden=[8]", "pretraining.trainer.epochs=1"]
WIDE = [*TRAIN, "model=wide_deep", "model.hidden=[8]", "model.crosses=[[C5,C6]]"]
TUNE = ["tune", "model=lr", "trials=3", "trainer.epochs=2", "trainer.batch_size=256", *ROWS]


TABLE = {
    "rows.csv": "a,b,y\n" + "".join(f"{i % 7},{'xyz'[i % 3]},{i % 5 // 3}\n" for i in range(900))
}
CSV = [*TRAIN[:-5], "threads=1", "results=.", "model=lr", "data=table", "data.path=rows.csv"]
CSV += ["data.label=y", "split=random"]
BENCH = ["model=lr", "threads=1", "results=.", "bench.rounds=2", "trainer.batch_size=256"]
FETCH = ["-cd", "own", "results=.", "url=URL"]
OWN_SET = {
    "own/data/mine.yaml": "defaults: [/shared/bars@_here_]\nname: mine\n"
    f"download: {{archive: Set, md5: {json.dumps(MD5)}}}\n"
}
SCENARIOS = {
    "train": Scenario(LR, [["prepare", *ROWS]], damaged="stores"),
    "train-csv": Scenario(CSV, files=TABLE),
    "train-fnn": Scenario([*FNN, "seed=0"], [[*FNN, "model.hidden=[4]"]], damaged="runs"),
    "train-wide": Scenario([*WIDE, "seed=1"], [WIDE], damaged="stores"),
    "train-resumed": Scenario(LR, damaged="runs", interrupted=LR),
    "train-again": Scenario(LR, [LR], damaged="runs"),
    "sweep": Scenario(SWEEP),
    "sweep-again": Scenario(SWEEP, [SWEEP], damaged="runs"),
    "prepare": Scenario(["prepare", *ROWS]),
    "data": Scenario(["data", *ROWS], [["prepare", *ROWS]], damaged="stores"),
    "tune-new": Scenario(TUNE),
    "tune": Scenario(TUNE, [[*TUNE, "trials=1"]], damaged="tune"),
    "report": Scenario(REPORT, [LR, FM, [*LR, "seed=1"]], damaged="runs", lists_damage=True),
    "report-again": Scenario(REPORT, [LR, FM, REPORT], damaged="report"),
    "reproduce": Scenario(
        ["reproduce", "table2", "model=lr,fm", "seed=0", *TRAIN[1:]], [LR, FM], damaged="runs"
    ),
    "export": Scenario(["export", "RUN", "onnx=true"], [LR], damaged="runs"),
    "predict": Scenario(["predict", "RUN", "rows.csv"], [CSV], files=TABLE, damaged="runs"),
    "rows": Scenario(["rows", *ROWS[:-1]]),
    "bench": Scenario(["bench", *BENCH], measures=True),
    "download": Scenario(["download", "mine", *FETCH], files=OWN_SET),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with commands_in(tmp_path_factory.mktemp("faults")) as commands:
        yield commands


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def disturbed(request: pytest.FixtureRequest, commands: Commands, hub: Hub) -> Disturbed:
    scenario = SCENARIOS[request.param]
    words = [word.replace("URL", hub.url) for word in scenario.arguments]
    return Disturbed(commands, replace(scenario, arguments=words))


every_verb = pytest.mark.parametrize("disturbed", SCENARIOS, indirect=True, scope="module")


@every_verb
def test_a_killed_command_ends_as_one_that_was_not(disturbed: Disturbed) -> None:
    wrong = {}
    for before in sample(SEED, disturbed.operations, COUNT):
        if found := disturbed.stop(before, signal.SIGKILL):
            wrong[before] = found
    assert not wrong


@every_verb
def test_a_signal_at_any_operation_leaves_one_line(disturbed: Disturbed) -> None:
    wrong = {}
    for before in sample(SEED + 1, disturbed.operations, COUNT):
        number = signal.SIGINT if before % 2 else signal.SIGTERM
        if found := disturbed.stop(before, number):
            wrong[before] = found
    assert not wrong


@every_verb
def test_a_small_disk_leaves_one_line(disturbed: Disturbed) -> None:
    """The largest file that the system allows is smaller than some of those of the command."""
    sizes = sorted({path.stat().st_size for path in disturbed.commands.folder.rglob("*.*")})
    rng, wrong = random.Random(SEED + 2), {}
    for _ in range(COUNT if disturbed.operations else 0):
        limit = max(1, rng.choice(sizes) - rng.randrange(1, 50))
        if found := disturbed.shrink_disk(limit):
            wrong[limit] = found
    assert not wrong


@every_verb
def test_a_flipped_bit_is_noticed_or_changes_nothing(disturbed: Disturbed) -> None:
    """In any file of a run, of a store or of a search."""
    if not (names := disturbed.damageable(disturbed.scenario.damaged)):
        pytest.skip("it reads no file again")
    rng = random.Random(SEED + 3)
    if len(names) > COUNT:
        names = rng.sample(names, COUNT)
    wrong = {}
    for name in names * max(1, COUNT // len(names)):
        if found := disturbed.damage(name, rng):
            wrong[name] = found
    assert not wrong

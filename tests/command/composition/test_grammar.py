"""Words by Hydra's grammar."""

from ctrbench.command.composition.compose import choices
from ctrbench.command.composition.grammar import fixed, values_of


def test_the_values_of_a_key() -> None:
    words = ["model=lr,fm", "seed=range(2)", "data=planted", "model.dropout=.1,.2"]
    assert values_of("model", words) == ["lr", "fm"]
    assert values_of("seed", words) == ["0", "1"] and values_of("data", words) == ["planted"]
    assert values_of("optimizer", words) == []
    assert values_of("model", [*words, "model=ffm"]) == ["ffm"]  # the last, as Hydra takes it
    assert values_of("model", ["model=glob(*)"]) == choices("model")
    assert values_of("model", ['model="fm"']) == ["fm"]
    assert fixed(words) == ["data=planted"]

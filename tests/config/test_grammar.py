"""Words by Hydra's grammar."""

from ctrbench.config.compose import choices
from ctrbench.config.grammar import single_valued, values_of
from ctrbench.config.keys import drop_key, keys_of, values_by_key


def test_the_values_of_a_key() -> None:
    words = ["model=lr,fm", "seed=range(2)", "data=planted", "model.dropout=.1,.2"]
    assert values_of("model", words) == ["lr", "fm"]
    assert values_of("seed", words) == ["0", "1"] and values_of("data", words) == ["planted"]
    assert values_of("optimizer", words) == []
    assert values_of("model", [*words, "model=ffm"]) == ["ffm"]  # the last, as Hydra takes it
    assert values_of("model", ["model=glob(*)"]) == choices("model")
    assert values_of("model", ['model="fm"']) == ["fm"]
    assert values_of("seed", ["++seed=5"]) == ["5"]
    assert single_valued(words) == ["data=planted"]


def test_keys_with_and_without_signs() -> None:
    words = ["+a.b=1", "++c=2=3", "~d", "c=4"]
    assert keys_of(words) == {"a.b", "c", "d"}
    assert values_by_key(words) == {"a.b": "1", "c": "4", "d": ""}
    assert drop_key("c", words) == ["+a.b=1", "~d"]

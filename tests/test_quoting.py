"""Overrides that messages print: a shell and Hydra read them as they were meant."""

import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose, ctrbench

from ctrbench.config.compose import compose
from ctrbench.errors import UserError
from ctrbench.quoting import list_override

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1)


@hypothesis_settings(max_examples=300, deadline=None)
@given(names=st.lists(TEXT, min_size=1, max_size=3))
@example(names=["null", "价格", "a b", "it's", 'say "x"', "a\\"])
@example(names=["x,y]", "{a: b}", "$HOME", "~a", "1", "${x}"])
def test_lists_arrive_as_they_are(names: list[str]) -> None:
    items = [f"{name}:number" for name in names]
    (word,) = shlex.split(list_override("data.types", items))
    read = OverridesParser.create().parse_override(word).value()
    assert [str(item).replace(r"\${", "${") for item in read] == items


@pytest.mark.parametrize(
    "override",
    [
        "data.types=[价格:number]",
        "data.types=[价格:number,zip:category]",
        "data.types=[x's:number]",
        "data.types=[(a):number]",
        "data.exclude=[цена]",
        "data.crosses=[[价格,b],[b,ç]]",
        "data.history={user: 用户, time: t, of: [价格]}",
        "data.label=价格",
        "data.path=a=b.csv",
        "data.types=价格:number",
        'data.types="价格:number"',
        "data.types=x:number",
    ],
)
def test_hints_for_quoting_can_be_followed(override: str) -> None:
    """Each suggestion is tried as printed, until a command is understood."""
    key, tried = override.partition("=")[0], override
    for _ in range(3):
        try:
            config = compose(["data=table", tried])
        except UserError as error:
            (suggestion,) = re.findall(rf"(?:the word|a list,?):? ('?{key}=.*)$", str(error))
            (tried,) = shlex.split(suggestion)
            assert tried != override
        else:
            break
    assert "价" not in override or "价" in str(config.data)
    assert "types" not in key or str(config.data.types[0]).endswith(":number")


def test_a_name_with_special_characters_end_to_end(settings: Compose, tmp_path: object) -> None:
    path = f"{tmp_path}/rows.csv"
    with open(path, "w") as file:
        file.write("clicked,价格,z\n" + "".join(f"{i % 2},{i % 50},{i % 7}\n" for i in range(600)))
    words = ["prepare", "data=table", f"data.path={path}", "data.label=clicked"]
    refused = ctrbench(*words, f"results={tmp_path}", "data.types=[价格:number]")
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    (word,) = shlex.split(refused.stderr.strip().partition("the word: ")[2])
    assert ctrbench(*words, f"results={tmp_path}", word).returncode == 0

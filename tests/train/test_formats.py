from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.train.formats import records_in, written
from shared.errors import Refused

said = st.text(min_size=1).filter(str.strip)
turns = st.lists(st.tuples(said, said), min_size=1, max_size=3)


@given(turns, st.sampled_from(["messages", "sharegpt"]))
def test_conversations_come_back_as_they_went(turns, form):
    messages = [
        {"role": role, "content": content}
        for turn in turns
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    records = [{"messages": messages, "document": "doc_1"}]
    assert records_in("\n".join(written(records, form))) == records


@given(said, said)
def test_one_turn_comes_back_from_alpaca(asked, answer):
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    assert records_in("\n".join(written([{"messages": messages}], "alpaca"))) == [{"messages": messages}]


def test_what_others_write_is_read():
    alpaca = {"instruction": "Classify.", "input": "Rechnung", "output": "invoice"}
    sharegpt = {"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]}  # fmt: skip  # noqa: E501
    one, two = records_in(json.dumps(alpaca) + "\n\n" + json.dumps(sharegpt))
    assert one["messages"][0]["content"] == "Classify.\n\nRechnung"
    assert [message["role"] for message in two["messages"]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    "line",
    ["no json", "[]", "{}", '{"messages": [{"role": "robot", "content": "x"}]}',
     '{"messages": [{"role": "user", "content": "x"}]}', '{"conversations": [{"from": "gpt", "value": 3}]}'],
)  # fmt: skip
def test_a_line_that_teaches_nothing_is_refused_by_its_number(line):
    good = '{"instruction": "a", "output": "b"}\n'
    with pytest.raises(Refused, match=r"[Ll]ine 2"):
        records_in(good + line)


def test_a_conversation_does_not_fit_in_alpaca():
    messages = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    with pytest.raises(Refused, match="4 turns"):
        list(written([{"messages": messages}], "alpaca"))

"""Instruction records in the three forms that others write: OpenAI messages, ShareGPT, Alpaca; JSON Lines each.

    {"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}
    {"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}
    {"instruction": …, "input": …, "output": …}

Records here are of the first form (`instructions.py`). Alpaca holds one turn: longer conversations do not fit in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from shared.errors import Refused

Form = Literal["messages", "sharegpt", "alpaca"]
_ROLE_OF = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_FROM_OF = {"user": "human", "assistant": "gpt", "system": "system"}


def records_in(content: str) -> list[dict[str, Any]]:
    """The records of a file in any of the forms, a line each; `document` is kept where a record names one.

    Raises Refused, naming the line, on one that is none of the forms or has nothing for the assistant to say.
    """
    found = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            record = {"messages": list(_messages(given))}
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise Refused(
                f"Line {number} is no record: {wrong or type(wrong).__name__}.",
                action='Write {"messages": [{"role", "content"}, …]}, ShareGPT or Alpaca, one a line.',
            ) from wrong
        if not any(message["role"] == "assistant" and message["content"].strip() for message in record["messages"]):
            raise Refused(f"In line {number} the assistant says nothing.", action="Take the line out.")
        if isinstance(given.get("document"), str):
            record["document"] = given["document"]
        found.append(record)
    return found


def written(records: Iterable[dict[str, Any]], form: Form) -> Iterator[str]:
    """The records in a form, a line each. Raises Refused where a record does not fit in it."""
    for number, record in enumerate(records, start=1):
        kept = {"document": record["document"]} if "document" in record else {}
        yield json.dumps(_shaped(record["messages"], form, number) | kept, ensure_ascii=False)


def _messages(given: dict[str, Any]) -> Iterator[dict[str, str]]:
    if "messages" in given:
        for message in given["messages"]:
            yield _message(message["role"], message["content"])
    elif "conversations" in given:
        for turn in given["conversations"]:
            yield _message(_ROLE_OF[turn["from"]], turn["value"])
    else:
        if given.get("system"):
            yield _message("system", given["system"])
        asked = "\n\n".join(part for part in (given["instruction"], given.get("input")) if part)
        yield _message("user", asked)
        yield _message("assistant", given["output"])


def _message(role: str, content: str) -> dict[str, str]:
    if role not in _FROM_OF or not isinstance(content, str):
        raise ValueError(f"{role!r} says something that is no text")
    return {"role": role, "content": content}


def _shaped(messages: list[dict[str, str]], form: Form, number: int) -> dict[str, Any]:
    if form == "messages":
        return {"messages": messages}
    if form == "sharegpt":
        turns = [{"from": _FROM_OF[message["role"]], "value": message["content"]} for message in messages]
        return {"conversations": turns}
    roles = [message["role"] for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise Refused(f"Record {number} has {len(messages)} turns.", action="Alpaca has one: choose another form.")
    system = {"system": messages[0]["content"]} if len(messages) == 3 else {}
    return system | {"instruction": messages[-2]["content"], "input": "", "output": messages[-1]["content"]}

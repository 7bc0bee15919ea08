from __future__ import annotations

import json

from services.train.records import records_from


def test_a_document_makes_a_record_for_its_class_and_one_for_all_its_fields():
    base = {"document": "doc_1", "held_out": False}
    lines = [
        base | {"task": "class", "name": None, "path": ["claims", "motor"], "value": None},
        base | {"task": "field", "name": "amount", "path": None, "value": "12.50"},
        base | {"task": "field", "name": "Händler", "path": None, "value": None},
        base | {"task": "class", "name": None, "path": [], "value": None, "document": "doc_2", "held_out": True},
        base | {"task": "class", "name": None, "path": ["a"], "value": None, "document": "doc_gone"},
    ]
    texts = {"doc_1": "Rechnung " * 400, "doc_2": "Werbung"}
    kind, fields = records_from(lines, texts, held_out=False)
    assert kind["messages"][1]["content"] == "claims / motor"
    assert json.loads(fields["messages"][1]["content"]) == {"Händler": None, "amount": "12.50"}
    assert "Händler, amount" in fields["messages"][0]["content"]
    assert len(kind["messages"][0]["content"]) < 2200
    [other] = records_from(lines, texts, held_out=True)
    assert other["messages"][1]["content"] == "out of scope"

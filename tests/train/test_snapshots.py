from __future__ import annotations

import datetime
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.train.snapshots import held_out_among, lines_of, snapshot_from
from shared.errors import Refused
from shared.facts import Label


@pytest.fixture
def labels() -> list[Label]:
    """A class and a field label for each of forty documents."""
    at = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    return [
        label
        for number in range(40)
        for label in (
            Label(
                f"lab_c{number}",
                f"doc_{number}",
                "class",
                None,
                ("claims", "motor"),
                None,
                None,
                "anna",
                at,
                audit=False,
            ),
            Label(f"lab_f{number}", f"doc_{number}", "field", "Betrag", None, "12.50", None, "boris", at, audit=False),
        )
    ]


def test_each_role_learns_from_its_own_labels(labels):
    assert {line["task"] for line in lines_of(snapshot_from(labels, "classifier").content)} == {"class"}
    assert {line["task"] for line in lines_of(snapshot_from(labels, "extractor").content)} == {"field"}
    assert snapshot_from(labels, "generator").counts["labels"] == 80


def test_the_same_labels_in_another_order_are_the_same_snapshot(labels):
    once, again = snapshot_from(labels, "classifier"), snapshot_from(labels[::-1], "classifier")
    assert once == again
    assert once.digest == hashlib.sha256(once.content).hexdigest()
    assert snapshot_from(labels[2:], "classifier").digest != once.digest


def test_every_line_names_its_label_and_the_lineage_lists_them_all(labels):
    frozen = snapshot_from(labels, "classifier")
    assert [(line["label"], line["document"]) for line in lines_of(frozen.content)] == frozen.lineage
    assert len(frozen.lineage) == 40


def test_without_audit_labels_a_fifth_or_so_is_held_out_whatever_else_is_labelled(labels):
    frozen = snapshot_from(labels, "extractor")
    marked = {line["document"] for line in lines_of(frozen.content) if line["held_out"]}
    assert marked == held_out_among(labels)
    assert 0 < len(marked) == frozen.counts["held_out"] < 20
    assert held_out_among(labels[:20]) == marked & {label.document for label in labels[:20]}


def test_audit_labels_alone_are_held_out_and_stand_for_their_documents(labels):
    audited = [replace(label, id=f"{label.id}_blind", audit=True) for label in labels[:10]]
    lines = list(lines_of(snapshot_from(labels + audited, "classifier").content))
    assert {line["label"] for line in lines if line["held_out"]} == {f"lab_c{number}_blind" for number in range(5)}
    assert {line["label"] for line in lines if not line["held_out"]} == {f"lab_c{number}" for number in range(5, 40)}


def test_labels_on_held_out_documents_alone_teach_nothing(labels):
    with pytest.raises(Refused, match="nothing to learn from"):
        snapshot_from([replace(label, audit=True) for label in labels], "classifier")
    with pytest.raises(Refused, match="0 labels"):
        snapshot_from([], "generator")


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_a_snapshot_reads_back_as_it_was_written(values):
    at = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    labels = [
        Label(f"lab_{number}", "doc_1", "field", "name", None, value, None, "anna", at, audit=False)
        for number, value in enumerate(values)
    ]
    lines = lines_of(snapshot_from(labels, "extractor").content)
    assert sorted(line["value"] for line in lines) == sorted(values)

from __future__ import annotations

from random import Random

import pytest

from services.train.validation import alike, check, report
from shared.errors import Refused


def record(asked, answer="x", document=None):
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"messages": messages} | ({"document": document} if document else {})


LETTER = " ".join(Random(1).choices([f"word{number}" for number in range(300)], k=200))


def test_a_text_with_a_few_other_words_is_alike_and_another_text_is_not():
    changed = LETTER.split()
    changed[10], changed[150] = "other", "words"
    shuffled = LETTER.split()
    Random(2).shuffle(shuffled)
    assert alike([LETTER], [" ".join(changed), " ".join(shuffled), LETTER.upper(), ""]) == {0, 2}


def test_the_report_counts_what_would_spoil_a_run():
    found = report(
        [record("a", document="doc_1"), record("a", document="doc_1"), record(f"{LETTER} anna@firm.example")],
        [record("b", document="doc_1"), record(LETTER)],
    )
    assert (found.duplicates, found.leaked_documents, found.alike) == (1, 1, 1)
    assert found.personal == {"e-mail": 1}
    assert found.lengths["median"] == 3
    with pytest.raises(Refused, match="1 documents are both"):
        check(found)
    assert "firm" not in str(found.as_json())


@pytest.mark.parametrize(
    ("text", "kind"),
    [("LU32 9940 0041 7002 6000", "IBAN"), ("+352 26 33 44 55", "telephone"), ("geb. 01.02.1980", "date"),
     ("4111 1111 1111 1111", "card"), ("Police A-20.214.672", None)],
)  # fmt: skip
def test_personal_data_is_counted_by_kind(text, kind):
    assert report([record(text)]).personal == ({kind: 1} if kind else {})


@pytest.mark.usefixtures("fine_tuning")
def test_an_answer_that_is_cut_off_is_found_before_the_run(base):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    found = report([record("short"), record("long " * 300)], tokenizer=tokenizer, length=64)
    assert found.mute == 1
    assert found.lengths["most"] > 300
    with pytest.raises(Refused, match="1 of 2 records lose their answer"):
        check(found)

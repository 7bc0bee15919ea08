"""What labels teach: targets, spelling, calibration, and a ranker that beats the anchors and says how sure it is."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract import features
from services.extract.archive import Outdated, packed, unpacked
from services.extract.calibration import INPUTS, calibration_inputs, fitted
from services.extract.familiar import Familiar, learned_familiar
from services.extract.fitting import Labelled, fit
from services.extract.matching import Forms, targets_for
from services.extract.ranker import row_names, second_stage_rows
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from services.extract.spelling import Spelling, learned_spelling, letters
from services.extract.values import comparable

PARTY = FieldSpec(name="party", type="party")


def _right(ranker, fields, documents):
    """(right, given, wanted, confidences of what was given with whether it was right)."""
    right = given_ = wanted = 0
    sure = []
    for reading, truth in documents:
        searched = Searched.of(reading)
        for field in fields:
            typed = {comparable(value, field.type) for value in truth[field.name]}
            wanted += len(typed)
            for ranked in ranker.rank(searched, field):
                hit = comparable(ranked.value, field.type) in typed
                given_ += 1
                right += hit
                sure.append((ranked.confidence, hit))
    return right, given_, wanted, sure


def test_a_ranker_answers_invoices_it_has_not_seen_and_knows_how_sure_it_may_be(ranker, fields, make_invoice):
    right, given_, wanted, sure = _right(ranker, fields, [make_invoice(seed) for seed in range(100, 120)])
    assert 2 * right / (given_ + wanted) > 0.9
    assert all(0 < confidence < 1 for confidence, _ in sure)
    assert len({confidence for confidence, _ in sure}) > 5
    assert abs(np.mean([confidence for confidence, _ in sure]) - right / given_) < 0.1


def test_a_field_that_is_absent_stays_empty(make_invoice, fields, page):
    documents = []
    for seed in range(24):
        reading, truth = make_invoice(seed)
        documents.append(Labelled(Searched.of(reading), truth))
        letter = page(f"Dear customer {seed}", "thank you for your letter of 3 May 2024", f"yours, A. Name {seed}")
        documents.append(Labelled(Searched.of(letter), {"invoice_date": [], "total": []}))
    learned = fit(fields, documents)
    letter = Searched.of(page("Dear customer", "thank you for your letter of 4 June 2024", "yours, B. Other"))
    assert learned.rank(letter, fields[1]) == []


def test_two_values_for_a_single_field_do_not_make_the_fit_fail(make_invoice, fields):
    documents = []
    for seed in range(8):
        reading, truth = make_invoice(seed)
        documents.append(
            Labelled(Searched.of(reading), truth | {"total": [truth["total"][0], truth["invoice_date"][0]]})
        )
    learned = fit(fields, documents)
    assert len(learned.rank(Searched.of(make_invoice(50)[0]), fields[2])) <= 1


def test_a_field_with_too_few_labels_is_not_learned(make_invoice, fields):
    reading, truth = make_invoice(1)
    learned = fit(fields, [Labelled(Searched.of(reading), truth)] * 2)
    assert not any(learned.knows(field) for field in fields)


@pytest.mark.parametrize("count", [3, 5])
def test_a_handful_of_documents_is_enough_to_learn_something(make_invoice, fields, count):
    documents = [make_invoice(seed) for seed in range(count)]
    learned = fit(fields, [Labelled(Searched.of(reading), truth) for reading, truth in documents])
    assert all(learned.knows(field) for field in fields)


def test_fields_that_no_label_can_teach_do_not_make_the_fit_fail(page):
    unfindable = [Labelled(Searched.of(page(f"nothing {seed}")), {"party": ["Elsewhere AG"]}) for seed in range(5)]
    empty = [Labelled(Searched.of(page()), {"party": []})]
    assert not fit([PARTY], [*unfindable, *empty]).knows(PARTY)


def test_the_same_labels_give_the_same_bytes_and_reading_them_gives_the_same_ranker(make_invoice, fields):
    documents = [make_invoice(seed) for seed in range(6)]
    twice = [fit(fields, [Labelled(Searched.of(reading), truth) for reading, truth in documents]) for _ in range(2)]
    content = packed(twice[0])
    assert content == packed(twice[1])
    searched = Searched.of(make_invoice(60)[0])
    for field in fields:
        expected = [(ranked.value, ranked.confidence) for ranked in twice[0].rank(searched, field)]
        assert [(ranked.value, ranked.confidence) for ranked in unpacked(content).rank(searched, field)] == expected


def test_a_ranker_with_a_changed_byte_is_refused(ranker):
    source = zipfile.ZipFile(io.BytesIO(packed(ranker)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as forged:
        for name in source.namelist():
            content = source.read(name)
            forged.writestr(name, content.replace(b"num_class=1", b"num_class=2") if "0-0" in name else content)
    with pytest.raises(ValueError, match=r"boosters/0-0\.txt is not what was written"):
        unpacked(target.getvalue())
    with pytest.raises(ValueError, match="are not a ranker"):
        unpacked(b"no zip at all")


@pytest.mark.parametrize("change", [{"format": "dossier-ranker/1"}, {"columns": "others"}])
def test_a_ranker_that_an_older_version_wrote_is_outdated_not_broken(ranker, change):
    source = zipfile.ZipFile(io.BytesIO(packed(ranker)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            archive.writestr(name, json.dumps(json.loads(content) | change) if name == "manifest.json" else content)
    with pytest.raises(Outdated, match="other columns"):
        unpacked(target.getvalue())


def test_every_column_of_the_second_stage_has_a_name(ranker, fields, make_invoice):
    searched = Searched.of(make_invoice(5)[0])
    pool = searched.pool(("number",))
    scores = np.zeros(len(pool.candidates), dtype=np.float32)
    rows = second_stage_rows(pool, fields[2], scores, scores[:, None], np.arange(len(scores)))
    assert rows.shape == (len(scores), len(row_names(["rival"])))
    assert pool.numbers.rows([0]).shape == (1, len(features.NAMES))


# --- targets -----------------------------------------------------------------------------------------------------


def test_a_name_typed_with_other_marks_is_right_but_not_exact(page):
    pool = Searched.of(page("PALM, INC.")).pool(("name",))
    targets = targets_for(pool.forms, ["Palm Inc."], PARTY)
    assert targets.matched == [True]
    assert targets.right.sum() > targets.exact.sum() == 0


def test_a_clause_is_matched_by_its_words_and_its_neighbours_are_left_out(page):
    clause = "Neither party may assign this Agreement without the prior written consent of the other party hereto."
    reading = page("This is another sentence that is here only to stand in front of it.", clause)
    candidates = Searched.of(reading).pool(("clause",)).candidates
    targets = targets_for(Forms(candidates), [clause], FieldSpec(name="a", type="text"))
    values = [candidates[place].value for place in np.flatnonzero(targets.right)]
    assert values == [clause]
    assert 0 < (targets.weight == 0).sum() < len(candidates)


def test_a_value_that_is_not_there_matches_nothing(page):
    pool = Searched.of(page("PALM, INC.")).pool(("name",))
    targets = targets_for(pool.forms, ["Unheard Of Ltd"], PARTY)
    assert targets.matched == [False]
    assert targets.right.sum() == 0


# --- spelling ----------------------------------------------------------------------------------------------------


def test_spelling_is_learned_from_what_people_typed():
    pairs = [("Palm, Incorporated", "Palm Inc."), ("Blyth, Incorporated", "Blyth Inc."), ("A & B, Inc", "A and B Inc.")]
    pairs += [("C & D, Inc", "C and D Inc.")]
    spelling = learned_spelling(pairs)
    assert spelling("Acme, Incorporated") == "Acme Inc."
    assert spelling("Smith & Sons") == "Smith and Sons"


def test_lines_are_joined_as_people_join_them():
    with_commas = learned_spelling([("1 Main St\nEsch", "1 Main St, Esch"), ("2 High St\nWiltz", "2 High St, Wiltz")])
    assert with_commas("9, rue X\nL-4220 Esch") == "9, rue X, L-4220 Esch"
    without = learned_spelling([("1 Main St\nEsch", "1 Main St Esch"), ("2 High St\nWiltz", "2 High St Wiltz")])
    assert without("9, rue X\nL-4220 Esch") == "9, rue X L-4220 Esch"


def test_another_value_teaches_no_spelling():
    assert learned_spelling([("Palm", "Acme"), ("Palm", "Acme"), ("Palm", "Acme")]) == Spelling()


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=6), st.text(max_size=30))
def test_spelling_never_changes_the_letters_it_did_not_learn(pairs, printed):
    spelling = learned_spelling([(a, b) for a, b in pairs if letters(a) == letters(b)])
    assert letters(spelling(printed)) == letters(printed)


# --- calibration -------------------------------------------------------------------------------------------------


def test_calibration_is_a_probability_that_grows_with_the_score():
    generator = np.random.default_rng(1)
    scores = generator.normal(0, 2, 400)
    right = (generator.random(400) < 1 / (1 + np.exp(-scores))).astype(np.int8)
    calibration = fitted(np.array([calibration_inputs([score])[0] for score in scores]), right)
    low, high = (calibration(calibration_inputs([score])[0]) for score in (-3.0, 3.0))
    assert low < 0.2 < 0.8 < high


@pytest.mark.parametrize("right", [[1], [0], [1, 1, 1], [0, 0]])
def test_calibration_on_one_class_is_neither_certain_nor_a_failure(right):
    inputs = np.array([calibration_inputs([2.0])[0]] * len(right))
    probability = fitted(inputs, np.array(right, dtype=np.int8))(inputs[0])
    assert 0.01 < probability < 0.99
    assert (probability > 0.5) == bool(right[0])


def test_a_document_without_values_has_no_inputs():
    assert calibration_inputs([]).shape == (0, INPUTS)


# --- familiar values ---------------------------------------------------------------------------------------------


def _same(a: str, b: str) -> bool:
    return a == b


def test_a_misread_name_is_written_as_the_familiar_one_when_that_helps():
    outcomes = [("MR D.I.Y. SDN BHD", ["MR D.I.Y. SDN BHD"])] * 3 + [("MR D.T.Y. SDN BHD", ["MR D.I.Y. SDN BHD"])]
    familiar = learned_familiar(outcomes, _same)
    assert familiar("MR D.l.Y. SDN BHD") == "MR D.I.Y. SDN BHD"
    assert familiar("Somebody Else Ltd") == "Somebody Else Ltd"


def test_a_familiar_value_never_changes_a_digit():
    street = "12 Main Street Wiltz"
    outcomes = [(street, [street])] * 3 + [("12 Main Streat Wiltz", [street])]
    assert learned_familiar(outcomes, _same)("13 Main Streat Wiltz") == "13 Main Streat Wiltz"


def test_nothing_is_familiar_where_that_would_not_help():
    outcomes = [("Anna Weber-Klein", ["Anna Weber-Klein"])] * 3 + [("Anne Weber-Klein", ["Anne Weber-Klein"])] * 2
    assert learned_familiar(outcomes, _same) == Familiar()

"""Near-duplicates: the same letter again is told, the same form filled in for somebody else is not."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from services.ingest import tasks
from services.ingest.similarity import THRESHOLD, bands_of, score, signature_of
from services.ingest.tables import similar
from shared import access, ledger

LETTER = """Ardelune Assurances S.A., 12 boulevard Royal, L-2449 Luxembourg
Madame {name}, {street}, {town}
Luxembourg, le {date}. Objet : votre contrat automobile n° {policy}
Madame, nous avons bien reçu votre déclaration concernant le sinistre survenu à {town}, où votre véhicule {car},
immatriculé {plate}, a été endommagé par {cause}. Le dossier porte le numéro {claim}. L'expert que nous avons
mandaté, {expert}, estime les réparations à {amount} EUR hors taxes. Après déduction de votre franchise de
{excess} EUR, nous verserons {paid} EUR sur le compte {account} dans les dix jours ouvrables. Veuillez agréer,
Madame, l'expression de nos sentiments distingués. {clerk}, service des sinistres."""
ONE = {
    "name": "Hélène Muller", "street": "4 rue des Prés", "town": "Mersch", "date": "3 mars 2025",
    "policy": "A-20.214.672", "car": "Peugeot 308 grise", "plate": "KL 4821", "cause": "la grêle du mois dernier",
    "claim": "S-2025-11832", "expert": "Jean Kieffer", "amount": "2.418,60", "excess": "250,00",
    "paid": "2.168,60", "account": "LU28 0019 4006 4475 0000", "clerk": "Claire Weber",
}  # fmt: skip
OTHER = {
    "name": "Sofia Pereira", "street": "88 avenue de la Gare", "town": "Esch", "date": "19 juin 2024",
    "policy": "A-71.903.118", "car": "Skoda Octavia break", "plate": "TR 1190", "cause": "un camion en marche arrière",
    "claim": "S-2024-40277", "expert": "Marc Thill", "amount": "961,15", "excess": "500,00",
    "paid": "461,15", "account": "LU61 1111 0025 1300 0000", "clerk": "Tom Hansen",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _reader_ends():
    yield
    tasks.sandbox().close()


def alike(one: str, other: str) -> float:
    signatures = signature_of(one), signature_of(other)
    assert signatures[0] is not None
    assert signatures[1] is not None
    return score(*signatures)


def test_the_same_letter_with_another_date_is_told():
    assert alike(LETTER.format_map(ONE), LETTER.format_map(ONE | {"date": "14 avril 2025"})) > 0.9


def test_the_same_letter_read_badly_is_told():
    read_badly = LETTER.format_map(ONE).replace("véhicule", "véhicu1e").replace("Luxembourg", "LUXEMB0URG")
    read_badly = read_badly.replace("nous avons", "nousavons").replace("réparations", "réparat.ons")
    assert alike(LETTER.format_map(ONE), read_badly) > THRESHOLD


def test_the_same_form_for_somebody_else_is_not_told():
    assert alike(LETTER.format_map(ONE), LETTER.format_map(OTHER)) < THRESHOLD


def test_a_text_of_a_few_words_has_no_signature():
    assert signature_of("See the attachment. " * 6) is None


def test_signatures_stay_the_same_from_release_to_release():
    assert signature_of(LETTER.format_map(ONE))[:8].hex() == "86165200fee81e04"


def test_alike_texts_have_a_band_in_common_only_in_one_workspace():
    one, other = signature_of(LETTER.format_map(ONE)), signature_of(LETTER.format_map(ONE | {"date": "1 mai 2025"}))
    assert set(bands_of(one, "ws_a")) & set(bands_of(other, "ws_a"))
    assert not set(bands_of(one, "ws_a")) & set(bands_of(one, "ws_b"))


@pytest.fixture
def sent(client, drain):
    """Uploads texts and has them read; the ids of their documents."""

    def send(*letters: str) -> list[str]:
        files = [("files", (f"{number}.txt", letter.encode())) for number, letter in enumerate(letters)]
        answer = client.post("/v1/batches", files=files)
        drain()
        return [file["document"] for file in answer.json()["files"]]

    return send


def test_each_of_two_alike_documents_names_the_other_until_it_is_deleted(client, sent):
    first, again, _ = sent(*(LETTER.format_map(who) for who in (ONE, ONE | {"date": "4 mai 2025"}, OTHER)))
    for document, other in ((first, again), (again, first)):
        shown = client.get(f"/v1/documents/{document}").json()
        (found,) = shown["similar_to"]
        assert (shown["state"], found["document"]) == ("succeeded", other)
        assert THRESHOLD <= found["score"] < 1
    assert client.delete(f"/v1/documents/{again}").status_code == 204
    assert client.get(f"/v1/documents/{first}").json()["similar_to"] == []


def test_a_document_read_again_has_one_signature(engine, workspace):
    with engine.begin() as connection:
        document = ledger.new_id("doc")
        ledger.add_documents(connection, [{"id": document, "name": "a", "workspace_id": workspace}])
        for letter in (ONE, OTHER):
            similar.keep(connection, workspace, document, signature_of(LETTER.format_map(letter)))
        kept = connection.execute(text("SELECT signature FROM ingest.signatures")).scalars().all()
        assert kept == [signature_of(LETTER.format_map(OTHER))]
        similar.keep(connection, workspace, document, None)
        assert connection.execute(text("SELECT count(*) FROM ingest.signatures")).scalar() == 0


def test_a_workspace_never_hears_of_the_documents_of_another(engine, workspace):
    with engine.begin() as connection:
        other = access.add_workspace(connection, "other")
        signature = signature_of(LETTER.format_map(ONE))
        ids = {}
        for owner in (workspace, other):
            ids[owner] = ledger.new_id("doc")
            ledger.add_documents(connection, [{"id": ids[owner], "name": "a", "workspace_id": owner}])
            similar.keep(connection, owner, ids[owner], signature)
        assert similar.similar_to(connection, workspace, ids[workspace]) == []
        assert similar.similar_to(connection, workspace, ids[other]) == []

"""What nobody wrote for this message is marked, in three languages, and the rest is not."""

from __future__ import annotations

import pytest

MAIL = """From: Claire Weber <claire@example.org>
To: sinistres@example.org
Date: Mon, 3 Mar 2025 10:12:00 +0100
Subject: S-2025-11832
Content-Type: text/plain; charset=utf-8

{}
"""
ENGLISH = """Dear all, please find the invoice of the garage attached.

Kind regards,
Claire Weber
+352 27 90 00

This e-mail and any files transmitted with it are confidential and
intended solely for the person they are addressed to.

From: Tom Hansen
Sent: Friday, 28 February 2025 09:14
To: Claire Weber
Subject: The invoice

Could you send me the invoice of policy A-20.214.672?"""
FRENCH = """Bonjour, veuillez trouver la facture en annexe. Nous restons à votre disposition.

Bien cordialement,
Claire Weber

Avis de confidentialité : ce message est destiné à son seul destinataire.

Le vendredi 28 février 2025 à 09:14, Tom Hansen, service des sinistres
<tom@example.org> a écrit :
> Pourriez-vous m'envoyer la facture ?"""
GERMAN = """Guten Tag, anbei die Rechnung der Werkstatt. Diese Nachricht geht auch an Herrn Thill.

Mit freundlichem Gruß
Claire Weber

Der Inhalt dieser E-Mail und ihrer Anlagen ist streng vertraulich.

-----Ursprüngliche Nachricht-----
Von: Tom Hansen
Könnten Sie mir die Rechnung schicken?"""


@pytest.fixture
def marked(reads):
    """The boilerplate of a message with this body: what each kind covers."""

    def read(body: str) -> dict[str, str]:
        reading = reads(MAIL.format(body).encode(), "a.eml").reading
        kinds = ("signature", "disclaimer", "quoted_reply")
        return {mark.kind: reading.text[mark.start : mark.end] for mark in reading.marks if mark.kind in kinds}

    return read


@pytest.mark.parametrize(
    ("body", "signature", "disclaimer", "quoted"),
    [
        (ENGLISH, "Kind regards", "This e-mail", "From: Tom Hansen"),
        (FRENCH, "Bien cordialement", "Avis de confidentialité", "Le vendredi 28 février"),
        (GERMAN, "Mit freundlichem Gruß", "Der Inhalt dieser", "-----Ursprüngliche"),
    ],
    ids=["English", "French", "German"],
)
def test_signature_disclaimer_and_quoted_reply_are_told_apart(marked, body, signature, disclaimer, quoted):
    found = marked(body)
    assert found["signature"].startswith(signature)
    assert found["signature"].rstrip().split("\n")[1] == "Claire Weber"
    assert found["disclaimer"].startswith(disclaimer)
    assert found["quoted_reply"].startswith(quoted)
    assert found["quoted_reply"].rstrip().endswith(body[-9:])


def test_the_mail_s_own_headers_are_no_quoted_reply(marked):
    assert marked("The policy is A-20.214.672. From March on we pay less.") == {}


def test_what_a_telephone_adds_is_a_signature(marked):
    assert marked("Voici les photos.\n\nEnvoyé de mon iPhone") == {"signature": "Envoyé de mon iPhone"}

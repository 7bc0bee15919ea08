"""Business words of insurers' documents in French, German and English, by concept: what labels are made of.

The concept is the English word. Words are folded: lower case, no accents. German compounds are found by their
parts (four letters and more), so parts are listed rather than compounds.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from services.extract.values import folded

_WORDS = {
    "number": "number no num nr nummer numero n° ref reference referenz referenznummer aktenzeichen id kennung",
    "invoice": "invoice facture rechnung rechnungs bill",
    "credit": "credit avoir gutschrift",
    "policy": "policy police polizze versicherungsschein schein contrat contract vertrag vertrags policen",
    "claim": "claim sinistre schaden schadens schadenfall declaration dossier",
    "date": "date datum dated tag",
    "issue": "issue issued emission emise invoiced emis ausstellung "
    "ausstellungs ausgestellt etabli delivre delivrance erteilt",
    "birth": "birth born dob naissance ne nee geburt geburts geboren",
    "accident": "accident loss incident unfall ereignis survenance evenement",
    "start": "start begin beginning from effective inception debut effet beginn ab von commencement",
    "end": "end until to expiry expiration expires fin au echeance ende bis ablauf jusqu terme",
    "due": "due payable echeance fallig faellig zahlbar falligkeit payment paiement zahlung reglement",
    "total": "total gross ttc gesamt gesamtbetrag brutto endbetrag summe totale somme",
    "net": "net ht netto hors nettobetrag zwischensumme subtotal",
    "tax": "tax vat tva mwst ust taxe mehrwertsteuer umsatzsteuer steuer gst steuerbetrag",
    "amount": "amount montant betrag sum somme price prix preis kosten cost",
    "premium": "premium prime cotisation pramie praemie beitrag",
    "deductible": "deductible excess franchise selbstbehalt selbstbeteiligung",
    "estimate": "estimate estimated estimation devis schatzung geschatzt voraussichtlich kostenvoranschlag evaluation",
    "currency": "currency devise monnaie wahrung waehrung",
    "name": "name nom namen prenom firstname lastname surname",
    "insured": "insured assure assuree versicherter versicherte versicherten policyholder preneur souscripteur "
    "versicherungsnehmer versicherungsnehmerin titulaire",
    "claimant": "claimant demandeur anspruchsteller geschadigter geschaedigter declarant lese victim",
    "patient": "patient patiente patientin patienten",
    "doctor": "doctor physician medecin docteur arzt arztin dr medical practitioner praticien",
    "company": "company societe firma unternehmen entreprise gesellschaft",
    "insurer": "insurer assureur versicherer versicherung assurance insurance compagnie",
    "broker": "broker courtier makler intermediaire agent vermittler",
    "seller": "seller supplier vendor fournisseur vendeur lieferant verkaufer verkaeufer emetteur",
    "buyer": "buyer customer client acheteur kunde kaufer kaeufer empfanger recipient destinataire debiteur",
    "sender": "sender expediteur absender from",
    "address": "address adresse anschrift street rue strasse wohnort domicile residence",
    "location": "location place lieu ort unfallort endroit site schadenort",
    "country": "country pays land",
    "city": "city ville stadt commune",
    "phone": "phone telephone tel telefon mobile gsm fax",
    "email": "email mail courriel e-mail",
    "iban": "iban account compte konto bankverbindung kontonummer",
    "bic": "bic swift",
    "vehicle": "vehicle vehicule fahrzeug car voiture auto kfz",
    "plate": "plate registration immatriculation kennzeichen plaque",
    "brand": "brand make marque hersteller marke",
    "model": "model modele modell typ",
    "diagnosis": "diagnosis diagnostic diagnose befund",
    "incapacity": "incapacity incapacite arbeitsunfahigkeit arbeitsunfaehigkeit unfit arret",
    "duration": "duration duree dauer term laufzeit period periode zeitraum",
    "document": "document piece dokument ausweis card carte karte identity identite passport passeport pass",
    "nationality": "nationality nationalite staatsangehorigkeit nationalitat staatsburgerschaft",
    "sex": "sex sexe geschlecht gender",
    "subject": "subject objet betreff concerne betrifft re",
    "reason": "reason motif grund cause ursache motifs",
    "complaint": "complaint reclamation beschwerde plainte",
    "damage": "damage dommage degats schaden dommages",
    "type": "type art kind nature genre",
    "sum": "capital versicherungssumme deckung deckungssumme coverage garantie couverture",
    "order": "order commande bestellung auftrag bestellnummer",
    "customer": "kundennummer kunden-nr clientid",
    "quantity": "quantity quantite menge anzahl qty nombre stuck",
    "unit": "unit unite einheit",
    "tariff": "tariff tarif rate taux satz",
    "signature": "signature signatur unterschrift signe gezeichnet",
    "creditor": "creditor glaubiger creancier beneficiary beneficiaire begunstigter empfaenger",
    "employer": "employer employeur arbeitgeber",
    "employee": "employee employe salarie arbeitnehmer mitarbeiter",
    "year": "year annee an jahr",
    "witness": "witness temoin zeuge",
    "description": "description beschreibung libelle designation bezeichnung hergang circonstances",
    "cancel": "cancellation resiliation kundigung kuendigung termination",
    "balance": "balance solde saldo restbetrag",
    "refund": "refund remboursement erstattung ruckerstattung indemnity indemnite entschadigung",
}
#: Folded word to concept; the first concept that lists a word has it.
CONCEPTS: dict[str, str] = {}
for _concept, _listed in _WORDS.items():
    for _word in _listed.split():
        CONCEPTS.setdefault(_word, _concept)

_KNOWN = frozenset(_WORDS)

_STOP = (
    "the a an of for in on or and de d l la le les du des et ou en der die das des dem den und oder im in "
    "zur zum fur fuer mit au aux par pour sur with by as is it its this that printed document as ihre ihr "
    "votre vos notre your our sein seine une un ein eine which where who was be are his her their if any "
    "eur euro euros chf usd gbp rm"
)
STOP_WORDS = frozenset(_STOP.split())


def words_in(text: str) -> list[str]:
    """The folded words of a text, digits and stop words left out."""
    return [word for word in re.findall(r"[^\W\d_]+", folded(text)) if word not in STOP_WORDS]


def concepts_of(words: Sequence[str]) -> frozenset[str]:
    """What the words mean: concepts of the lexicon, compounds taken apart; an unknown word means itself."""
    return frozenset(concept for word in words for concept in _concepts(word))


def known_concepts(word: str) -> frozenset[str]:
    """The concepts of the lexicon that a word means; none for a word that is not in it, such as a name."""
    return frozenset(_concepts(word)) & _KNOWN


@functools.lru_cache(maxsize=50_000)
def _concepts(word: str) -> tuple[str, ...]:
    bare = folded(word)
    if not any(character.isalpha() for character in bare) and bare != "°":
        return ()
    if bare in STOP_WORDS:
        return ()
    if bare in CONCEPTS:
        return (CONCEPTS[bare],)
    inside = {concept for known, concept in CONCEPTS.items() if len(known) >= 4 and known in bare}
    if bare.endswith(("nr", "no")) and len(bare) > 4:
        inside.add("number")
    return tuple(sorted(inside)) or (bare[:7],)

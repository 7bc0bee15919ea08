"""Who writes to the insurer: people, workshops, doctors, brokers, with addresses and accounts.

Everybody is invented. Town names and post codes are real so that addresses look right; mail addresses use the
reserved `.example` domain, and nothing here is meant to reach anyone.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from samples import identifiers
from samples.printing import Language

GIVEN: dict[Language, tuple[tuple[str, str], ...]] = {
    "fr": (
        ("Claire", "f"), ("Élodie", "f"), ("Françoise", "f"), ("Maëlle", "f"), ("Nathalie", "f"), ("Inès", "f"),
        ("Hélène", "f"), ("Jérôme", "m"), ("Thierry", "m"), ("Benoît", "m"), ("Olivier", "m"), ("Rui", "m"),
        ("Cédric", "m"), ("Jean-Marc", "m"), ("Luís", "m"),
    ),
    "de": (
        ("Anke", "f"), ("Jörg", "m"), ("Käthe", "f"), ("Birgit", "f"), ("Sabine", "f"), ("Uwe", "m"),
        ("Matthias", "m"), ("Günter", "m"), ("Marlene", "f"), ("Tobias", "m"), ("Heike", "f"), ("Stefan", "m"),
        ("Elisabeth", "f"), ("Romain", "m"),
    ),
    "en": (
        ("Fiona", "f"), ("Andrew", "m"), ("Priya", "f"), ("Sinéad", "f"), ("Marcus", "m"), ("Helen", "f"),
        ("Tomasz", "m"), ("Oliver", "m"), ("Grace", "f"), ("Daniel", "m"), ("Katarzyna", "f"), ("Ian", "m"),
    ),
}  # fmt: skip

FAMILY: dict[Language, tuple[str, ...]] = {
    "fr": (
        "Weber", "Da Silva", "Lefèvre", "Muller", "Ferreira", "Thill", "Collignon", "Reuter", "Gérard", "Moreira",
        "Kieffer", "Berthollet", "N'Diaye", "Wagener", "Lacroix", "Peltier",
    ),
    "de": (
        "Schröder", "Thömmes", "Faßbender", "Klein", "Lorscheider", "Hoffmann", "Kaufmann", "Bäcker", "Schiltz",
        "Zimmer", "Reichling", "Großmann", "Krämer", "Adam", "Dostert",
    ),
    "en": (
        "Whitcombe", "O'Connell", "Patel", "Nowak", "Hargreaves", "Lindqvist", "Ashdown", "McKenna", "Okafor",
        "Sutherland", "Byrne", "Fairclough",
    ),
}  # fmt: skip

#: country, post code as written, town, streets of that country's language.
TOWNS: dict[str, tuple[tuple[str, str], ...]] = {
    "LU": (
        ("L-9044", "Ettelbruck"), ("L-4221", "Esch-sur-Alzette"), ("L-2230", "Luxembourg"), ("L-7540", "Mersch"),
        ("L-6630", "Wasserbillig"), ("L-9710", "Clervaux"), ("L-3515", "Dudelange"), ("L-8010", "Strassen"),
        ("L-5610", "Mondorf-les-Bains"), ("L-6454", "Echternach"), ("L-9522", "Wiltz"), ("L-4620", "Differdange"),
    ),
    "DE": (
        ("54290", "Trier"), ("66663", "Merzig"), ("54439", "Saarburg"), ("54634", "Bitburg"), ("66740", "Saarlouis"),
    ),
    "FR": (
        ("57100", "Thionville"), ("57330", "Hettange-Grande"), ("54400", "Longwy"), ("57390", "Audun-le-Tiche"),
    ),
    "BE": (("6700", "Arlon"), ("6780", "Messancy"), ("6760", "Virton")),
}  # fmt: skip

STREETS: dict[str, tuple[str, ...]] = {
    "fr": (
        "rue de la Gare", "avenue de la Liberté", "rue des Tilleuls", "route d'Arlon", "rue du Moulin",
        "place des Martyrs", "rue Jean-Pierre Michels", "montée de Clausen", "rue des Prés", "cité Grand-Duc Jean",
    ),
    "de": (
        "Saarstraße", "Am Mühlenberg", "Bahnhofstraße", "Trierer Straße", "Im Wingert", "Schillerstraße",
        "Zur Römerbrücke", "Lindenweg", "Auf der Acht", "Engelstraße",
    ),
    "en": ("rue du Fort Dumoulin", "rue de Beggen", "boulevard de la Foire", "rue des Romains", "op der Haart"),
}  # fmt: skip

COUNTRIES: dict[Language, tuple[str, ...]] = {
    "fr": ("LU", "LU", "LU", "FR", "BE"),
    "de": ("LU", "DE", "DE", "LU"),
    "en": ("LU", "LU", "LU"),
}

WORKSHOPS = {
    "garage": {
        "fr": ("Carrosserie {f} & Fils S.à r.l.", "Garage {f} S.A.", "Auto-Centre {t} S.à r.l."),
        "de": ("Autohaus {f} GmbH", "Karosserie & Lack {f} GmbH & Co. KG", "Kfz-Meisterbetrieb {f} e.K."),
        "en": ("{f} Motors S.à r.l.", "{t} Body & Paint S.à r.l.", "{f} Car Repair S.A."),
    },
    "glazier": {
        "fr": ("Vitrerie {f} S.à r.l.", "Miroiterie {t} S.A.", "{f} Pare-Brise Express S.à r.l."),
        "de": ("Glaserei {f} GmbH", "Autoglas {t} GmbH", "{f} Fenster und Glas OHG"),
        "en": ("{f} Glass S.à r.l.", "{t} Windscreens S.A.", "ClearView Glazing S.à r.l."),
    },
    "practice": {
        "fr": ("Cabinet médical Dr {f}", "Centre de kinésithérapie {f}", "Clinique dentaire {t}"),
        "de": ("Praxis Dr. med. {f}", "Physiotherapie {f}", "Zahnarztpraxis {f}"),
        "en": ("{f} Family Practice", "{t} Physiotherapy Rooms", "Dr {f} Dental Surgery"),
    },
    "broker": {
        "fr": ("{f} Courtage S.à r.l.", "Cabinet de courtage {f}", "Trois Frontières Courtiers S.A."),
        "de": ("Versicherungsmakler {f} GmbH", "{f} & Partner Makler", "Moselkontor Makler GmbH"),
        "en": ("{f} Insurance Brokers S.à r.l.", "Kirchberg Risk Partners S.A.", "{f} Brokerage"),
    },
    "lawyer": {
        "fr": ("Étude {f} & Associés", "Maître {g} {f}, avocat à la Cour", "{f} Avocats"),
        "de": ("Rechtsanwälte {f} & Kollegen", "Kanzlei {f}", "Rechtsanwaltskanzlei {g} {f}"),
        "en": ("{f} Legal S.à r.l.", "{f} & Co. Solicitors", "{g} {f}, Avocat à la Cour"),
    },
    "surveyor": {
        "fr": ("Bureau d'expertise {f}", "{f} Experts S.à r.l.", "Expertises {t} S.A."),
        "de": ("Sachverständigenbüro {f}", "Ingenieurbüro {f} GmbH", "{f} Gutachter GbR"),
        "en": ("{f} Loss Adjusters S.à r.l.", "{f} Survey & Claims", "{t} Adjusters S.A."),
    },
}


@dataclass(frozen=True)
class Address:
    """A postal address; `country` is its ISO code."""

    street: str
    post_code: str
    town: str
    country: str

    @property
    def line(self) -> str:
        """On one line, as it stands in a form."""
        return f"{self.street}, {self.post_code} {self.town}"


@dataclass(frozen=True)
class Account:
    """A bank account; `iban` without spaces."""

    bank: str
    bic: str
    iban: str


@dataclass(frozen=True)
class Person:
    """A customer, a driver, a patient."""

    given: str
    family: str
    sex: str
    born: date
    address: Address
    phone: str
    account: Account

    @property
    def name(self) -> str:
        """Given name, then family name."""
        return f"{self.given} {self.family}"

    @property
    def email(self) -> str:
        """A mail address that cannot exist."""
        return f"{ascii_slug(self.given)}.{ascii_slug(self.family)}@mail.example"


@dataclass(frozen=True)
class Company:
    """A workshop, a practice, a broker."""

    name: str
    contact: str
    address: Address
    phone: str
    vat: str
    account: Account

    @property
    def email(self) -> str:
        """A mail address that cannot exist."""
        return f"info@{'-'.join(ascii_slug(self.name).split('-')[:2])}.example"


def ascii_slug(text: str) -> str:
    """Lower case, without accents, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain.lower()).split())


def address(rng: Random, language: Language) -> Address:
    """An address in a country where that language is spoken; the number comes first outside Germany."""
    country = rng.choice(COUNTRIES[language])
    post_code, town = rng.choice(TOWNS[country])
    number = f"{rng.randint(1, 148)}{rng.choice(['', '', '', '', 'A', 'b'])}"
    if country == "DE":
        return Address(f"{rng.choice(STREETS['de'])} {number}", post_code, town, country)
    streets = STREETS["fr"] + (STREETS["en"] if language == "en" else ())
    return Address(f"{number}{rng.choice([', ', ', ', ' '])}{rng.choice(streets)}", post_code, town, country)


def account(rng: Random, country: str) -> Account:
    """An account at one of the invented banks of `country`."""
    bank, bic, code = rng.choice(identifiers.BANKS[country])
    return Account(bank, bic, identifiers.iban(rng, country, code))


def phone(rng: Random, country: str) -> str:
    """A telephone number in the country's form."""
    if country == "LU":
        return (
            f"+352 {rng.choice(['26', '621', '691', '661'])} {identifiers.digits(rng, 3)} {identifiers.digits(rng, 3)}"
        )
    prefix = {"DE": "+49 651", "FR": "+33 3 82", "BE": "+32 63"}[country]
    return f"{prefix} {identifiers.digits(rng, 2)} {identifiers.digits(rng, 2)} {identifiers.digits(rng, 2)}"


def person(rng: Random, language: Language) -> Person:
    """Somebody who writes in `language`."""
    given, sex = rng.choice(GIVEN[language])
    family = rng.choice(FAMILY[language if rng.random() < 0.8 else rng.choice(["fr", "de"])])
    home = address(rng, language)
    born = date(1948, 1, 5) + timedelta(days=rng.randint(0, 19_500))
    return Person(given, family, sex, born, home, phone(rng, home.country), account(rng, home.country))


def company(rng: Random, language: Language, trade: str) -> Company:
    """A firm of that trade; see WORKSHOPS for the trades."""
    place = address(rng, language)
    chief = person(rng, language)
    town = place.town.split("-")[0]
    name = rng.choice(WORKSHOPS[trade][language]).format(f=chief.family, g=chief.given, t=town)
    return Company(
        name,
        chief.name,
        place,
        phone(rng, place.country),
        identifiers.vat(rng, place.country),
        account(rng, place.country),
    )

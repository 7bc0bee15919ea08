"""Numbers that check: IBAN, VAT, plates, policy and claim numbers, drawn from a seeded generator.

Check digits are right, so a validator accepts them; banks, companies and people behind them are invented.
"""

from __future__ import annotations

from random import Random

from stdnum import iban as iban_number
from stdnum.fr import siren

#: Invented banks: name, BIC, national bank code as the IBAN of that country carries it.
BANKS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "LU": (
        ("Banque Mosellane de Luxembourg", "BMOSLULL", "994"),
        ("Caisse d'Épargne du Grünewald", "CEGWLULL", "987"),
        ("Alzette Privatbank", "ALZPLULL", "991"),
    ),
    "DE": (
        ("Volkskasse Trier-Saarburg", "VKTSDE55XXX", "58599001"),
        ("Moselbank Bernkastel", "MOBEDE51XXX", "58799004"),
    ),
    "FR": (
        ("Crédit des Trois Frontières", "CTFRFR2M", "9930100417"),
        ("Banque de la Fensch", "BFENFRPP", "9941200053"),
    ),
    "BE": (("Gaume Banque", "GAUMBEBB", "998"),),
}


def digits(rng: Random, count: int) -> str:
    """`count` decimal digits, the first of them not zero."""
    return str(rng.randint(10 ** (count - 1), 10**count - 1))


def iban(rng: Random, country: str, bank_code: str) -> str:
    """An IBAN without spaces whose check digits (and, for France and Belgium, national key) are right."""
    if country == "LU":
        body = bank_code + digits(rng, 13)
    elif country == "DE":
        body = bank_code + digits(rng, 10)
    elif country == "FR":
        body = _with_french_key(bank_code + digits(rng, 11))
    else:
        account = bank_code + digits(rng, 7)
        body = account + f"{int(account) % 97 or 97:02d}"
    return country + iban_number.calc_check_digits(f"{country}00{body}") + body


def _with_french_key(account: str) -> str:
    """Append the RIB key: 97 - (89 bank + 15 branch + 3 account) mod 97."""
    bank, branch, number = int(account[:5]), int(account[5:10]), int(account[10:])
    return account + f"{97 - (89 * bank + 15 * branch + 3 * number) % 97:02d}"


def grouped(value: str, size: int = 4) -> str:
    """The identifier in groups of `size`, as it is printed on paper."""
    return " ".join(value[start : start + size] for start in range(0, len(value), size))


def vat(rng: Random, country: str) -> str:
    """A VAT number that python-stdnum accepts, with its country prefix and without spaces."""
    if country == "LU":
        head = digits(rng, 6)
        return f"LU{head}{int(head) % 89:02d}"
    if country == "DE":
        head = digits(rng, 8)
        return f"DE{head}{_mod_11_10(head)}"
    if country == "FR":
        head = digits(rng, 8)
        company = head + next(d for d in "0123456789" if siren.is_valid(head + d))
        return f"FR{(12 + 3 * (int(company) % 97)) % 97:02d}{company}"
    head = "0" + digits(rng, 7)
    return f"BE{head}{97 - int(head) % 97:02d}"


def _mod_11_10(head: str) -> int:
    """The check digit of ISO 7064 Mod 11,10, which German VAT numbers carry."""
    check = 5
    for digit in head:
        check = (((check or 10) * 2) % 11 + int(digit)) % 10
    return (1 - ((check or 10) * 2) % 11) % 10


def plate(rng: Random, country: str) -> str:
    """A number plate as the country writes it."""
    letters = "ABCDEFGHJKLMNPRSTVWXYZ"

    def pick(count: int) -> str:
        return "".join(rng.choice(letters) for _ in range(count))

    if country == "LU":
        return f"{pick(2)} {digits(rng, 4)}" if rng.random() < 0.7 else f"{pick(2)}{digits(rng, 4)}"
    if country == "DE":
        return f"{rng.choice(['TR', 'SB', 'MZG', 'WIL', 'SLS', 'BIT'])}-{pick(2)} {digits(rng, 3)}"
    if country == "FR":
        return f"{pick(2)}-{digits(rng, 3)}-{pick(2)}"
    return f"{rng.choice('12')}-{pick(3)}-{digits(rng, 3)}"


#: Policy numbers start with the branch, as in the insurer's old and new administration systems.
BRANCHES = {"motor": ("A", "30"), "home": ("H", "41"), "health": ("S", "52"), "travel": ("V", "66")}


def policy_number(rng: Random, branch: str) -> str:
    """`A-24.118.307` (old system) or `30/2481173-04` (new system)."""
    letter, code = BRANCHES[branch]
    if rng.random() < 0.5:
        return f"{letter}-{rng.randint(14, 25)}.{digits(rng, 3)}.{digits(rng, 3)}"
    return f"{code}/{digits(rng, 7)}-{rng.randint(1, 9):02d}"


def claim_number(rng: Random, year: int) -> str:
    """`S2025-104882` or `25/SIN/40117`: two generations of claim numbers, too."""
    if rng.random() < 0.6:
        return f"S{year}-{digits(rng, 6)}"
    return f"{year % 100}/SIN/{digits(rng, 5)}"

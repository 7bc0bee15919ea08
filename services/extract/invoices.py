"""E-invoice XML to facts: CII (Factur-X, ZUGFeRD 1 and 2, XRechnung) and UBL, all profiles, by business meaning.

The facts bear the meanings of EN 16931 (`invoice_number`, `seller_name`, `gross_total`, …), whatever the file calls
them. Nothing is computed: what the XML does not state is not there. Line items are left out.
"""

from __future__ import annotations

from lxml import etree

from services.extract.dates import date_from

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)

#: Meaning -> paths below the root, by local names; the first that holds text is taken. ZUGFeRD 1 comes second.
_CII = {
    "invoice_number": ("ExchangedDocument/ID", "HeaderExchangedDocument/ID"),
    "issue_date": (
        "ExchangedDocument/IssueDateTime/DateTimeString",
        "HeaderExchangedDocument/IssueDateTime/DateTimeString",
    ),
    "document_type": ("ExchangedDocument/TypeCode", "HeaderExchangedDocument/TypeCode"),
    "buyer_reference": ("@agreement/BuyerReference",),
    "seller_name": ("@agreement/SellerTradeParty/Name",),
    "seller_vat": ("@agreement/SellerTradeParty/SpecifiedTaxRegistration/ID[@schemeID='VA']",),
    "seller_address": ("@agreement/SellerTradeParty/PostalTradeAddress",),
    "buyer_name": ("@agreement/BuyerTradeParty/Name",),
    "buyer_vat": ("@agreement/BuyerTradeParty/SpecifiedTaxRegistration/ID[@schemeID='VA']",),
    "buyer_address": ("@agreement/BuyerTradeParty/PostalTradeAddress",),
    "order_number": (
        "@agreement/BuyerOrderReferencedDocument/IssuerAssignedID",
        "@agreement/BuyerOrderReferencedDocument/ID",
    ),
    "contract_number": (
        "@agreement/ContractReferencedDocument/IssuerAssignedID",
        "@agreement/ContractReferencedDocument/ID",
    ),
    "delivery_date": ("@delivery/ActualDeliverySupplyChainEvent/OccurrenceDateTime/DateTimeString",),
    "currency": ("@settlement/InvoiceCurrencyCode",),
    "iban": ("@settlement/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID",),
    "bic": ("@settlement/SpecifiedTradeSettlementPaymentMeans/PayeeSpecifiedCreditorFinancialInstitution/BICID",),
    "due_date": ("@settlement/SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",),
    "net_total": ("@sum/TaxBasisTotalAmount", "@sum/LineTotalAmount"),
    "tax_total": ("@sum/TaxTotalAmount",),
    "gross_total": ("@sum/GrandTotalAmount",),
    "due_total": ("@sum/DuePayableAmount",),
}
#: The three trade groups and the sums are called differently in ZUGFeRD 1 and in CII D16B.
_CII_GROUPS = {
    "@agreement": ("ApplicableHeaderTradeAgreement", "ApplicableSupplyChainTradeAgreement"),
    "@delivery": ("ApplicableHeaderTradeDelivery", "ApplicableSupplyChainTradeDelivery"),
    "@settlement": ("ApplicableHeaderTradeSettlement", "ApplicableSupplyChainTradeSettlement"),
    "@sum": (
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        "SpecifiedTradeSettlementMonetarySummation",
    ),
}
_UBL = {
    "invoice_number": ("ID",),
    "issue_date": ("IssueDate",),
    "document_type": ("InvoiceTypeCode", "CreditNoteTypeCode"),
    "buyer_reference": ("BuyerReference",),
    "seller_name": (
        "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingSupplierParty/Party/PartyName/Name",
    ),
    "seller_vat": ("AccountingSupplierParty/Party/PartyTaxScheme/CompanyID",),
    "seller_address": ("AccountingSupplierParty/Party/PostalAddress",),
    "buyer_name": (
        "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingCustomerParty/Party/PartyName/Name",
    ),
    "buyer_vat": ("AccountingCustomerParty/Party/PartyTaxScheme/CompanyID",),
    "buyer_address": ("AccountingCustomerParty/Party/PostalAddress",),
    "order_number": ("OrderReference/ID",),
    "contract_number": ("ContractDocumentReference/ID",),
    "delivery_date": ("Delivery/ActualDeliveryDate",),
    "currency": ("DocumentCurrencyCode",),
    "iban": ("PaymentMeans/PayeeFinancialAccount/ID",),
    "bic": ("PaymentMeans/PayeeFinancialAccount/FinancialInstitutionBranch/ID",),
    "due_date": ("DueDate", "PaymentMeans/PaymentDueDate"),
    "net_total": ("LegalMonetaryTotal/TaxExclusiveAmount",),
    "tax_total": ("TaxTotal/TaxAmount",),
    "gross_total": ("LegalMonetaryTotal/TaxInclusiveAmount",),
    "due_total": ("LegalMonetaryTotal/PayableAmount",),
}


def invoice_facts(content: str, kind: str) -> dict[str, str]:
    """Meaning to value for XML of `kind` "cii" or "ubl"; dates are ISO 8601. XML that is broken has no facts."""
    try:
        root = etree.fromstring(content.encode(), _PARSER)
    except etree.XMLSyntaxError:
        return {}
    facts = {}
    for meaning, paths in (_CII if kind == "cii" else _UBL).items():
        found = next((text for path in paths for text in _texts(root, path)), None)
        if found is not None:
            facts[meaning] = found
    return {meaning: _dated(text) if meaning.endswith("_date") else text for meaning, text in facts.items()}


def _texts(root: etree._Element, path: str) -> list[str]:
    """What the elements at `path` say; an address is its lines in one."""
    elements: list[etree._Element] = []
    for written in _spelled_out(path):
        steps = "/".join(_step(step) for step in written.split("/"))
        found = root.xpath(f"./{steps}")
        if isinstance(found, list):
            elements += [element for element in found if isinstance(element, etree._Element)]
    if path.endswith("Address"):
        return [address for element in elements if (address := _address(element))]
    return [text for element in elements if (text := " ".join((element.text or "").split()))]


def _spelled_out(path: str) -> list[str]:
    group, _, rest = path.partition("/")
    if group not in _CII_GROUPS:
        return [path]
    trade = ("SupplyChainTradeTransaction", "SpecifiedSupplyChainTradeTransaction")
    if group == "@sum":
        return [
            f"{outer}/{settlement}/{name}/{rest}"
            for outer in trade
            for settlement in _CII_GROUPS["@settlement"]
            for name in _CII_GROUPS[group]
        ]
    return [f"{outer}/{name}/{rest}" for outer in trade for name in _CII_GROUPS[group]]


def _step(step: str) -> str:
    name, bracket, condition = step.partition("[")
    return f"*[local-name()='{name}']" + bracket + condition


def _address(element: etree._Element) -> str:
    """Street, then postcode and town, as one line."""
    said = {
        etree.QName(child).localname: " ".join((child.text or "").split())
        for child in element.iter()
        if isinstance(child.tag, str)
    }
    street = [said.get(name, "") for name in ("LineOne", "StreetName", "LineTwo", "AdditionalStreetName")]
    town = " ".join(part for part in (said.get("PostcodeCode") or said.get("PostalZone"), said.get("CityName")) if part)
    return ", ".join(part for part in [*street, town] if part)


def _dated(text: str) -> str:
    return date_from(text) or text

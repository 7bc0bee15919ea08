"""What the file itself states: e-invoices of both families, forms and mail headers, tied to the printed page."""

from __future__ import annotations

import msgspec
import pytest

from services.extract.embedded import stated_in
from services.extract.invoices import invoice_facts
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from shared.documents import Embedded

CII = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
  xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
  xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocument><ram:ID>RE-2020/508</ram:ID><ram:IssueDateTime>
  <udt:DateTimeString format="102">20201121</udt:DateTimeString></ram:IssueDateTime></rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:ApplicableHeaderTradeAgreement><ram:SellerTradeParty><ram:Name>Bei Spiel GmbH</ram:Name>
   <ram:PostalTradeAddress><ram:PostcodeCode>12345</ram:PostcodeCode><ram:LineOne>Ecke 12</ram:LineOne>
    <ram:CityName>Stadthausen</ram:CityName></ram:PostalTradeAddress>
   <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration>
  </ram:SellerTradeParty></ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:TaxBasisTotalAmount>496.00</ram:TaxBasisTotalAmount>
    <ram:GrandTotalAmount>571.04</ram:GrandTotalAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>"""
ZUGFERD_1 = """<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" xmlns:ram="r">
 <rsm:HeaderExchangedDocument><ram:ID>471102</ram:ID></rsm:HeaderExchangedDocument>
 <rsm:SpecifiedSupplyChainTradeTransaction><ram:ApplicableSupplyChainTradeSettlement>
  <ram:SpecifiedTradeSettlementMonetarySummation><ram:GrandTotalAmount currencyID="EUR">215.14</ram:GrandTotalAmount>
  </ram:SpecifiedTradeSettlementMonetarySummation></ram:ApplicableSupplyChainTradeSettlement>
 </rsm:SpecifiedSupplyChainTradeTransaction></rsm:CrossIndustryDocument>"""
UBL = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="a" xmlns:cbc="b">
 <cbc:ID>F-12</cbc:ID><cbc:IssueDate>2024-03-05</cbc:IssueDate><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
 <cac:AccountingSupplierParty><cac:Party><cac:PartyName><cbc:Name>Garage Weber</cbc:Name></cac:PartyName></cac:Party>
 </cac:AccountingSupplierParty><cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">12.50</cbc:PayableAmount>
 </cac:LegalMonetaryTotal></Invoice>"""


def field(name, type_="text", **more):
    return FieldSpec(name=name, type=type_, **more)


def test_cii_of_factur_x_has_its_facts():
    facts = invoice_facts(CII, "cii")
    assert facts["invoice_number"] == "RE-2020/508"
    assert facts["issue_date"] == "2020-11-21"
    assert facts["seller_name"] == "Bei Spiel GmbH"
    assert facts["seller_address"] == "Ecke 12, 12345 Stadthausen"
    assert facts["seller_vat"] == "DE136695976"
    assert (facts["net_total"], facts["gross_total"], facts["currency"]) == ("496.00", "571.04", "EUR")


def test_zugferd_1_and_ubl_have_theirs():
    assert invoice_facts(ZUGFERD_1, "cii") == {"invoice_number": "471102", "gross_total": "215.14"}
    facts = invoice_facts(UBL, "ubl")
    assert (facts["invoice_number"], facts["issue_date"]) == ("F-12", "2024-03-05")
    assert (facts["seller_name"], facts["due_total"]) == ("Garage Weber", "12.50")


@pytest.mark.parametrize(
    "broken", ["", "<a>", "no xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>']
)
def test_broken_xml_states_nothing(broken):
    assert invoice_facts(broken, "cii") == {}


def test_a_stated_value_is_tied_to_the_page_where_it_is_printed(page):
    reading = page("Rechnung RE-2020/508", ["Datum", "21.11.2020"], ["Gesamt", "571,04 €"])
    searched = Searched.of(reading)
    stated = {
        name: stated_in(searched, [Embedded("cii", content=CII)], field(name, type_))[0]
        for name, type_ in (("invoice_number", "identifier"), ("issue_date", "date"), ("gross_total", "amount"))
    }
    for name, printed in (("invoice_number", "RE-2020/508"), ("issue_date", "21.11.2020"), ("gross_total", "571,04")):
        start, end = stated[name].place
        assert reading.text[start:end] == printed
    assert stated["issue_date"].value == "2020-11-21"


def test_a_stated_value_that_is_not_printed_has_no_place(page):
    (stated,) = stated_in(Searched.of(page("nothing")), [Embedded("cii", content=CII)], field("net_total", "amount"))
    assert (stated.value, stated.place) == ("496.00", None)


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("rechnungsnummer", "identifier", "RE-2020/508"),
        ("numero_facture", "identifier", "RE-2020/508"),
        ("supplier_name", "party", "Bei Spiel GmbH"),
        ("total", "amount", "571.04"),
    ],
)
def test_a_field_takes_the_fact_that_means_the_same(page, name, type_, value):
    (stated,) = stated_in(Searched.of(page("x")), [Embedded("cii", content=CII)], field(name, type_))
    assert stated.value == value


@pytest.mark.parametrize(
    ("name", "type_"), [("policy_number", "identifier"), ("birth_date", "date"), ("claimant", "party")]
)
def test_a_field_of_another_meaning_takes_nothing(page, name, type_):
    assert stated_in(Searched.of(page("x")), [Embedded("cii", content=CII)], field(name, type_)) == []


def test_form_fields_and_mail_headers_are_read_by_name(page):
    form = Embedded("pdf_form", values={"Policy Number": "LU-123", "Comment": "x"})
    mail = Embedded("mail_headers", values={"From": "Anna <anna@example.org>", "Subject": "Claim 12"})
    searched = Searched.of(page("x"))
    assert stated_in(searched, [form], field("policy_number", "identifier"))[0].value == "LU-123"
    assert stated_in(searched, [mail], field("subject"))[0].value == "Claim 12"
    assert stated_in(searched, [mail], field("sender", "party"))[0].value == "Anna <anna@example.org>"


def test_a_stated_value_of_the_wrong_type_is_passed_over(page):
    form = Embedded("pdf_form", values={"loss_date": "yesterday"})
    assert stated_in(Searched.of(page("x")), [form], field("loss_date", "date")) == []


def test_real_factur_x_files_agree_with_their_pages(public_data):
    """Amounts and number stated in the XML of the public corpus are printed on the page, and found there."""
    from services.ingest.reading import Request, read  # a room's own reader, for real files only

    schema = [field("invoice_number", "identifier"), field("gross_total", "amount")]
    printed = total = 0
    for path in sorted((public_data / "zugferd" / "files-with-xml").glob("*.pdf")):
        reading = read(path.read_bytes(), Request(path.name)).reading
        searched = Searched.of(msgspec.structs.replace(reading, embedded=[]))
        for one in schema:
            stated = stated_in(searched, reading.embedded, one)
            total += len(stated)
            printed += sum(each.place is not None for each in stated)
    assert total >= 18
    assert printed / total > 0.8

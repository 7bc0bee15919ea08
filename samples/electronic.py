"""PDFs with more inside than ink: an invoice with its XML (Factur-X), a form whose fields can be filled in."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pikepdf
from lxml import etree
from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from samples.billing import Bill, Line
from samples.draft import Draft
from samples.sheet import Checks, Pairs, Paragraph, Sheet, Signature
from samples.typeset import A4, GREY, INK, Pen, font, wrap

RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
NAMESPACES = {"rsm": RSM, "ram": RAM, "udt": UDT}


class _Maker:
    """`ram.Name("x")` is `<ram:Name>x</ram:Name>`; elements given become children."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def __getattr__(self, tag: str) -> Callable[..., etree._Element]:
        def make(*content: etree._Element | str, **attributes: str) -> etree._Element:
            element = etree.Element(f"{{{self._namespace}}}{tag}", attributes, NAMESPACES)
            for part in content:
                if isinstance(part, str):
                    element.text = part
                else:
                    element.append(part)
            return element

        return make


rsm, ram, udt = _Maker(RSM), _Maker(RAM), _Maker(UDT)


def with_invoice_xml(pdf: bytes, draft: Draft, bill: Bill) -> bytes:
    """The PDF with `factur-x.xml` (EN 16931 profile) as an associated file."""
    opened = pikepdf.open(io.BytesIO(pdf))
    xml = etree.tostring(_invoice(draft, bill), xml_declaration=True, encoding="UTF-8", pretty_print=True)
    stamp = f"D:{draft.day:%Y%m%d}090000Z"
    file = pikepdf.AttachedFileSpec(
        opened, xml, filename="factur-x.xml", mime_type="text/xml",
        relationship=pikepdf.Name.Alternative, creation_date=stamp, mod_date=stamp,
    )  # fmt: skip
    opened.attachments["factur-x.xml"] = file
    opened.Root.AF = pikepdf.Array([file.obj])
    buffer = io.BytesIO()
    opened.save(buffer, deterministic_id=True)
    return buffer.getvalue()


def _invoice(draft: Draft, bill: Bill) -> etree._Element:
    number, due = str(draft.facts["invoice_number"].value), str(draft.facts["due_date"].value)
    return rsm.CrossIndustryInvoice(
        rsm.ExchangedDocumentContext(ram.GuidelineSpecifiedDocumentContextParameter(ram.ID("urn:cen.eu:en16931:2017"))),
        rsm.ExchangedDocument(ram.ID(number), ram.TypeCode("380"), ram.IssueDateTime(_day(draft.day))),
        rsm.SupplyChainTradeTransaction(
            *(_line(position, line, bill) for position, line in enumerate(bill.lines, start=1)),
            _agreement(draft, bill),
            ram.ApplicableHeaderTradeDelivery(),
            _settlement(bill, date.fromisoformat(due)),
        ),
    )


def _day(day: date) -> etree._Element:
    return udt.DateTimeString(f"{day:%Y%m%d}", format="102")


def _rate(bill: Bill) -> etree._Element:
    return ram.RateApplicablePercent(f"{bill.rate or 0}.00")


def _line(position: int, line: Line, bill: Bill) -> etree._Element:
    return ram.IncludedSupplyChainTradeLineItem(
        ram.AssociatedDocumentLineDocument(ram.LineID(str(position))),
        ram.SpecifiedTradeProduct(ram.Name(line.item)),
        ram.SpecifiedLineTradeAgreement(ram.NetPriceProductTradePrice(ram.ChargeAmount(f"{line.price:.2f}"))),
        ram.SpecifiedLineTradeDelivery(ram.BilledQuantity(f"{line.quantity}", unitCode="C62")),
        ram.SpecifiedLineTradeSettlement(
            ram.ApplicableTradeTax(ram.TypeCode("VAT"), ram.CategoryCode("S"), _rate(bill)),
            ram.SpecifiedTradeSettlementLineMonetarySummation(ram.LineTotalAmount(f"{line.total:.2f}")),
        ),
    )


def _agreement(draft: Draft, bill: Bill) -> etree._Element:
    supplier, home = bill.supplier, draft.customer.address
    return ram.ApplicableHeaderTradeAgreement(
        ram.SellerTradeParty(
            ram.Name(supplier.name),
            ram.PostalTradeAddress(
                ram.PostcodeCode(supplier.address.post_code),
                ram.LineOne(supplier.address.street),
                ram.CityName(supplier.address.town),
                ram.CountryID(supplier.address.country),
            ),
            ram.SpecifiedTaxRegistration(ram.ID(supplier.vat, schemeID="VA")),
        ),
        ram.BuyerTradeParty(
            ram.Name(draft.customer.name),
            ram.PostalTradeAddress(
                ram.PostcodeCode(home.post_code),
                ram.LineOne(home.street),
                ram.CityName(home.town),
                ram.CountryID(home.country),
            ),
        ),
    )


def _settlement(bill: Bill, due: date) -> etree._Element:
    def money(value: Decimal) -> str:
        return f"{value:.2f}"

    return ram.ApplicableHeaderTradeSettlement(
        ram.InvoiceCurrencyCode("EUR"),
        ram.SpecifiedTradeSettlementPaymentMeans(
            ram.TypeCode("58"), ram.PayeePartyCreditorFinancialAccount(ram.IBANID(bill.supplier.account.iban))
        ),
        ram.ApplicableTradeTax(
            ram.CalculatedAmount(money(bill.tax)),
            ram.TypeCode("VAT"),
            ram.BasisAmount(money(bill.net)),
            ram.CategoryCode("S"),
            _rate(bill),
        ),
        ram.SpecifiedTradePaymentTerms(ram.DueDateDateTime(_day(due))),
        ram.SpecifiedTradeSettlementHeaderMonetarySummation(
            ram.LineTotalAmount(money(bill.net)),
            ram.TaxBasisTotalAmount(money(bill.net)),
            ram.TaxTotalAmount(money(bill.tax), currencyID="EUR"),
            ram.GrandTotalAmount(money(bill.net + bill.tax)),
            ram.DuePayableAmount(money(bill.net + bill.tax)),
        ),
    )


def fillable(sheet: Sheet) -> bytes:
    """The form as an AcroForm: labels are ink, values are field values."""
    pen, face, bold = Pen(A4), font("Sans"), font("Sans", True)
    fields: list[tuple[str, str, float, float]] = []
    pen.text(60, 70, sheet.sender.name, bold, 15, "#17406d")
    pen.text(60, 112, sheet.title, bold, 16, INK)
    y = 136.0
    for block in sheet.blocks:
        if isinstance(block, Paragraph):
            for line in wrap(block.text, face, 9, 475):
                y += 12.5
                pen.text(60, y, line, face, 9)
            y += 10
        elif isinstance(block, Pairs):
            for label, value in block.rows:
                y += 12
                pen.text(60, y, label, face, 8, GREY)
                fields.append((label, value, 60, y + 24))
                y += 27
        elif isinstance(block, Checks):
            y += 18
            pen.text(60, y, f"{block.question}: " + next(name for name, on in block.options if on), face, 9.5)
        elif isinstance(block, Signature):
            y += 40
            pen.text(60, y, f"{block.above} · {block.name}", face, 9.5)
    for line in sheet.footer:
        pen.text(60, 806, line, face, 7, GREY)
    return _with_fields(pen, fields, sheet)


def _with_fields(pen: Pen, fields: list[tuple[str, str, float, float]], sheet: Sheet) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    canvas.setTitle(sheet.title)
    for stroke in pen.page.strokes:
        stroke(canvas)
    for label, value, x, y in fields:
        canvas.acroForm.textfield(
            name=label, tooltip=label, value=value, x=round(x), y=round(pen.height - y), width=430,
            height=19, fontSize=10, borderWidth=1, borderColor=HexColor("#9aa3b2"),
            fillColor=HexColor("#f4f7fb"), forceBorder=True,
        )  # fmt: skip
    canvas.save()
    return buffer.getvalue()

"""A form is the same form, however its body is cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.uploads import Form, Part
from shared.errors import Refused

BODY = (
    b'--X\r\nContent-Disposition: form-data; name="name"\r\n\r\nPr\xc3\xbcfung\r\n'
    b'--X\r\nContent-Disposition: form-data; name="files"; filename="a/../../sch\xc3\xa4den.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nfirst\r\nfile\r\n"
    b'--X\r\nContent-Disposition: form-data; name="files"; filename="big.bin"\r\n\r\n' + b"x" * 50 + b"\r\n"
    b'--X\r\nContent-Disposition: form-data; name="files"; filename="empty.txt"\r\n\r\n\r\n--X--\r\n'
)


def parts_of(body: bytes, cuts: list[int], file_bytes: int = 40) -> list[Part]:
    form = Form("multipart/form-data; boundary=X", file_bytes=file_bytes)
    places = [0, *sorted(cuts), len(body)]
    found = [part for start, end in itertools.pairwise(places) for part in form.feed(body[start:end])]
    form.close()
    return found


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_parts_do_not_depend_on_how_the_body_arrives(cuts):
    name, first, big, empty = parts_of(BODY, cuts)
    assert (name.field, name.value) == ("name", "Prüfung")
    with first.file, big.file, empty.file:
        assert (first.name, first.file.read(), first.size_bytes) == ("a/schäden.txt", b"first\r\nfile", 11)
        assert (big.too_large, big.size_bytes, big.file.read()) == (True, 50, b"")
        assert (empty.size_bytes, empty.too_large) == (0, False)


def test_a_body_that_is_cut_off_is_refused():
    form = Form("multipart/form-data; boundary=X", file_bytes=40)
    for part in form.feed(BODY[:150]):
        if part.file is not None:
            part.file.close()
    with pytest.raises(Refused) as refused:
        form.close()
    assert refused.value.code == "incomplete_upload"


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data", "application/json"])
def test_anything_but_a_form_is_refused(content_type):
    with pytest.raises(Refused):
        Form(content_type, file_bytes=40)

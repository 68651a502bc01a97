"""A8: when two spellings are one e-mail address."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.email_address import EmailMalformed, normalised
from shared.errors import Invalid


@pytest.mark.parametrize(
    "spelling",
    [
        "anna@nordlys.example.com",
        "  Anna@Nordlys.Example.COM\t",
        "ANNA@NORDLYS.EXAMPLE.COM",
        "ａｎｎａ＠ｎｏｒｄｌｙｓ．ｅｘａｍｐｌｅ．ｃｏｍ",
        "anna@nordlys。example｡com",
        "𝐚𝐧𝐧𝐚@nordlys.example.com",
    ],
)
def test_a8_spellings_of_one_address_are_one(spelling: str) -> None:
    assert normalised(spelling) == "anna@nordlys.example.com"


@pytest.mark.parametrize(
    "spelling", ["søren@ørsted.example.dk", "SØREN@ØRSTED.EXAMPLE.DK", "søren@XN--rsted-uua.example.dk"]
)
def test_a8_the_domain_is_idna_encoded(spelling: str) -> None:
    assert normalised(spelling) == "søren@xn--rsted-uua.example.dk"


def test_a8_composed_and_decomposed_letters_are_one() -> None:
    assert normalised("ru\u0301na@a\u030al.example.dk") == normalised("rúna@ål.example.dk")


@pytest.mark.parametrize("other", ["an.na@example.com", "anna+bizz@example.com", "anna@mail.example.com"])
def test_a8_nothing_else_is_merged(other: str) -> None:
    assert normalised(other) != normalised("anna@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "@example.com",
        "anna@",
        "anna@@example.com",
        "anna@nordlys@example.com",
        "an na@example.com",
        "anna@exam ple.com",
        "anna\n@example.com",
        "anna\x00@example.com",
        "an\u200bna@example.com",
        "an\u00adna@example.com",
        "an\u202ena@example.com",
        "an\ud800na@example.com",
        "anna@example",
        "anna@example.com.",
        "anna@.example.com",
        "anna@example..com",
        "anna@-example.com",
        "anna@exa_mple.com",
        "anna@[127.0.0.1]",
        ".anna@example.com",
        "anna.@example.com",
        "an..na@example.com",
        "anna,maja@example.com",
        "<anna@example.com>",
        '"anna"@example.com',
        "anna@xn--ørsted.example.dk",
        "anna@xn--0.example.dk",
        "a" * 243 + "@example.com",
        "anna@" + "ø" * 60 + ".example.dk",
    ],
)
def test_a_malformed_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(EmailMalformed) as refusal:
        normalised(text)
    assert str(refusal.value) == "An e-mail address has the form name@domain, without spaces."


def test_an_address_of_254_characters_is_the_longest() -> None:
    assert len(normalised("a" * 242 + "@example.com")) == 254


def test_a_malformed_address_is_wrong_in_itself() -> None:
    assert issubclass(EmailMalformed, Invalid)
    assert EmailMalformed.code == "email-malformed"


NEAR_ADDRESSES = st.from_regex(r"\A\s?[^@\n]{1,12}@[^@\n]{1,12}\.(com|dk|ørsted)\s?\Z")


@given(st.text(max_size=40) | NEAR_ADDRESSES | st.emails())
@example("ﬀ@example.com")
@example("ΐ@example.com")
@example("ŉ@example.com")
@example("ᾳ\u0345@example.com")
def test_a8_a_compared_address_compares_as_itself_and_anything_else_is_refused(text: str) -> None:
    try:
        address = normalised(text)
    except EmailMalformed:
        return
    assert normalised(address) == address


@given(st.from_regex(r"\A[a-z0-9]{1,10}@[a-z]{1,10}\.example\.com\Z"))
def test_a8_upper_case_full_width_and_padding_make_no_other_address(address: str) -> None:
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in address)
    assert normalised(address.upper()) == normalised(full_width) == normalised(f" {address}\n") == address

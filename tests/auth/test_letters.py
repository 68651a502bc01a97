"""What the mails say, in English and in Danish, as text and as HTML."""

import re
import string
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, get_args

import pytest

from services.auth.adapters import letters
from services.auth.adapters.letters import WORDS, Letter, Reader, what_was_granted
from services.auth.adapters.words import CardNotice, Decision, SecurityNotice
from services.auth.adapters.words_danish import DANISH
from services.auth.adapters.words_english import ENGLISH
from services.auth.domain.whereabouts import Language, Whereabouts
from services.company.events import ChangeKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = "https://self.example.com"
WHERE = Whereabouts("Firefox, Windows", "192.0.2.0/24", "da")
CARD = {"charged": "account", "brand": "visa-dankort", "last_four": "4242", "month": "4", "year": "2027"}
CARD_NOTICES: tuple[CardNotice, ...] = get_args(CardNotice)
LANGUAGES: tuple[Language, ...] = ("en", "da")
DECISIONS: tuple[Decision, ...] = get_args(Decision)


def anna(language: Language, name: str = "Anna Aas") -> Reader:
    return Reader(name, "anna@nordlys.example.com", language)


def every_letter(language: Language, name: str = "Anna Aas") -> list[Letter]:
    reader = anna(language, name)
    notices: tuple[SecurityNotice, ...] = get_args(SecurityNotice)
    return [
        letters.login_code(reader, "012345", timedelta(minutes=5), WHERE, NOON),
        letters.new_address(reader, "012345", timedelta(minutes=5)),
        letters.address_left(reader, SITE),
        letters.invitation(reader, by=name, what=name, site=SITE),
        letters.notice(reader, by=name, what=name, site=SITE),
        *(
            letters.change_decided(reader, what="cvr", decision=decision, reason=name, company=name, site=SITE)
            for decision in DECISIONS
        ),
        *(letters.security(reader, what, SITE, WHERE, NOON) for what in notices),
        *(letters.card(reader, what, CARD, account=name, site=SITE) for what in CARD_NOTICES),
    ]


def flat(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def sentences(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value.values())


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_both_languages_fill_in_the_same_things_everywhere() -> None:
    for field in fields(ENGLISH):
        english, danish = (getattr(words, field.name) for words in (ENGLISH, DANISH))
        if not isinstance(english, str):
            assert english.keys() == danish.keys(), field.name
        for one, other in zip(sentences(english), sentences(danish), strict=True):
            assert placeholders(one) == placeholders(other), field.name
            assert one != other, field.name


def test_there_is_a_sentence_for_every_notice_and_every_kind_of_product() -> None:
    for words in WORDS.values():
        assert set(words.security) == set(get_args(SecurityNotice))
        assert set(words.change_decided) == set(DECISIONS)
        assert set(words.change_of) == set(get_args(ChangeKind))
        assert set(words.card) == set(words.card_subject) == set(CARD_NOTICES)
        assert set(words.access_to) == {"bizz", "number plate payment", "eTicket", "product"}


def test_a_code_says_what_it_is_for_how_long_it_lives_and_from_where_it_was_asked_for() -> None:
    text = flat(letters.login_code(anna("en"), "012345", timedelta(minutes=5), WHERE, NOON).text())
    assert "your code to log in to the self-service is 012345" in text
    assert "until 5 minutes after you asked" in text
    assert "with Firefox, Windows, from the network 192.0.2.0/24, on 2026-03-01 12:00 UTC" in text
    text = flat(letters.login_code(anna("da"), "012345", timedelta(minutes=5), WHERE, NOON).text())
    assert "din kode til at logge ind i selvbetjeningen er 012345" in text
    assert "indtil 5 minutter efter bestillingen" in text
    assert "med Firefox, Windows fra netværket 192.0.2.0/24 den 2026-03-01 12:00 UTC" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_of_a_letter_say_the_same(language: Language) -> None:
    for letter in every_letter(language):
        said = [*letter.paragraphs, letter.code or "", *letter.after_code]
        for form in (letter.text(), letter.html()):
            assert all(" ".join(part.split()) in flat(form) for part in said)
        assert f'<html lang="{language}">' in letter.html()


@pytest.mark.parametrize("language", LANGUAGES)
def test_c28_no_mail_holds_a_link_to_fetch_but_the_name_of_the_page_to_log_in_at(language: Language) -> None:
    for letter in every_letter(language):
        for form in (letter.text(), letter.html()):
            assert {link.rstrip(".,") for link in re.findall(r"https?://[^\s<>\"]+", form)} <= {SITE}
            assert not re.search(r"(?i)\b(href|src|action|background|srcset)\s*=|url\(", form), "nothing is fetched"
    for with_code in every_letter(language)[:2]:
        assert "http" not in with_code.html() + with_code.text(), "a mail with a code has not even that"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_somebody_calls_themselves_or_a_product_is_only_text(language: Language) -> None:
    evil = '<img src=x onerror=alert(1)> {code} {0.__class__} "&amp;'
    for letter in every_letter(language, evil):
        assert set(re.findall(r"<\s*(\w+)", letter.html())) == {"html", "head", "meta", "title", "body", "div", "p"}
        assert evil.split(">", maxsplit=1)[0] + ">" in flat(letter.html())
    about = {"grant": "product-access", "of": "product-1", "company": "company-1", "by": "x"}
    named = {"product-1": ("bizz", evil), "company-1": ("company", "Nordlys {of}")}
    assert evil in what_was_granted(about, named, WORDS[language])


def test_a_code_stands_in_no_representation_of_a_letter() -> None:
    assert "012345" not in repr(letters.login_code(anna("en"), "012345", timedelta(minutes=5), WHERE, NOON))


def test_p6_a_letter_about_a_card_says_which_account_which_card_and_when_it_ends() -> None:
    expiring = letters.card(anna("en"), "expiring", CARD, account="Nordlys Road", site=SITE)
    assert expiring.subject == "A payment card expires soon"
    assert (
        'the payment card that the account "Nordlys Road" is charged to, Visa Dankort ending in 4242, is good to the '
        "end of 04/2027."
    ) in flat(expiring.text())
    expired = letters.card(anna("da"), "expired", CARD, account="Nordlys Road", site=SITE)
    assert expired.subject == "Et betalingskort er udløbet"
    assert "kontoen »Nordlys Road« trækkes på, Visa Dankort der ender på 4242, gjaldt til og med 04/2027" in flat(
        expired.text()
    )
    unknown = letters.card(anna("en"), "expired", {**CARD, "brand": "other"}, account=None, site=SITE)
    assert "that the account is charged to, a card ending in 4242, was good" in flat(unknown.text())

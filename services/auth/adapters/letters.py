"""What the mails say: sentences of one language (`words.py`) in one layout, as text and as HTML.

C-25  Whoever gets a code or a notice learns what it is for and from where it was asked for.
C-28  No link does anything when it is fetched: the only address in a mail is that of the page where people log in.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape

from services.auth.adapters.words import CardNotice, Decision, SecurityNotice, Words
from services.auth.adapters.words_danish import DANISH
from services.auth.adapters.words_english import ENGLISH
from services.auth.domain.whereabouts import Language, Whereabouts
from services.company.events import ChangeKind
from services.products.events import Brand

WORDS: Mapping[Language, Words] = {"en": ENGLISH, "da": DANISH}
WIDTH = 78


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail: its subject, its paragraphs, and a code in between if it brings one."""

    subject: str
    paragraphs: Sequence[str]
    language: Language
    code: str | None = field(default=None, repr=False)
    after_code: Sequence[str] = ()

    def text(self) -> str:
        """For whoever reads plain text."""
        code = (f"    {self.code}",) if self.code else ()
        parts = [*map(_wrapped, self.paragraphs), *code, *map(_wrapped, self.after_code)]
        parts.append(f"-- \n{WORDS[self.language].sender_note}")
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """The same as HTML: whatever somebody is called is text, nothing is loaded from anywhere."""
        code = (f'<p style="{_CODE}">{escape(self.code)}</p>',) if self.code else ()
        parts = [*map(_paragraph, self.paragraphs), *code, *map(_paragraph, self.after_code)]
        return _PAGE.format(
            language=self.language,
            subject=escape(self.subject),
            body="\n".join(parts),
            note=escape(WORDS[self.language].sender_note),
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever a mail is for, as it addresses them."""

    name: str
    email: str
    language: Language

    @property
    def words(self) -> Words:
        """What they read."""
        return WORDS[self.language]


def login_code(reader: Reader, code: str, life: timedelta, where: Whereabouts, asked_at: datetime) -> Letter:
    """The code somebody asked to log in with."""
    words = reader.words
    lives = words.code_lives.format(minutes=_minutes(life))
    after = (lives, _from_where(words.asked_from, words, where, asked_at), words.code_not_asked_for)
    before = (words.hello.format(name=reader.name), words.code_for_login)
    return Letter(words.code_subject, before, reader.language, code, after)


def new_address(reader: Reader, code: str, life: timedelta) -> Letter:
    """The code that proves a new address (A15); whoever reads it may know nothing of us."""
    words = reader.words
    after = (words.address_code_lives.format(minutes=_minutes(life)), words.address_code_not_asked_for)
    before = (words.hello_stranger, words.address_code.format(name=reader.name))
    return Letter(words.address_code_subject, before, reader.language, code, after)


def address_left(reader: Reader, site: str) -> Letter:
    """To the old address, once a new one has taken its place (C-26)."""
    words = reader.words
    paragraphs = (
        words.hello.format(name=reader.name),
        words.address_left.format(site=site),
        words.address_left_not_you,
    )
    return Letter(words.address_left_subject, paragraphs, reader.language)


def invitation(reader: Reader, *, by: str, what: str, site: str) -> Letter:
    """The first grant of a person: who invited them and to what (L4)."""
    words = reader.words
    how = words.how_to_log_in.format(site=site, email=reader.email)
    paragraphs = (words.hello.format(name=reader.name), words.granted.format(by=by, what=what), how)
    return Letter(words.invited_subject, paragraphs, reader.language)


def notice(reader: Reader, *, by: str, what: str, site: str) -> Letter:
    """One more grant of a person who was invited before."""
    words = reader.words
    where = words.where_to_find_it.format(site=site)
    paragraphs = (words.hello.format(name=reader.name), words.granted.format(by=by, what=what), where)
    return Letter(words.granted_subject, paragraphs, reader.language)


def change_decided(
    reader: Reader, *, what: ChangeKind, decision: Decision, reason: str | None, company: str | None, site: str
) -> Letter:
    """What became of a change that a company asked for (C3); `reason` is customer service's, if there is one."""
    words = reader.words
    named = {"what": words.change_of[what], "company": company or words.a_company}
    paragraphs = (
        words.hello.format(name=reader.name),
        words.change_decided[decision].format(**named),
        *((words.change_reason.format(reason=reason),) if reason else ()),
        words.where_to_find_it.format(site=site),
    )
    return Letter(words.change_subject, paragraphs, reader.language)


def security(reader: Reader, what: SecurityNotice, site: str, where: Whereabouts | None, at: datetime) -> Letter:
    """Something about a person's login that they should know of (C-25); `where` is None when nobody did it."""
    words = reader.words
    did = (_from_where(words.happened_from, words, where, at),) if where else ()
    hello, advice = words.hello.format(name=reader.name), words.security_advice.format(site=site)
    return Letter(words.security_subject, (hello, words.security[what], *did, advice), reader.language)


def card(reader: Reader, what: CardNotice, about: Mapping[str, str], *, account: str | None, site: str) -> Letter:
    """The payment card that an account, or a product of it, is charged to expires soon, or has (P6).

    `account` is its name, if known.
    """
    words = reader.words
    charged = words.charged[about["charged"]].format(called=words.called.format(name=account) if account else "")
    brand = words.another_brand if about["brand"] == "other" else Brand(about["brand"]).called
    ends = f"{int(about['month']):02}/{about['year']}"
    said = words.card[what].format(charged=charged, brand=brand, last_four=about["last_four"], ends=ends)
    paragraphs = (words.hello.format(name=reader.name), said, words.card_advice.format(site=site))
    return Letter(words.card_subject[what], paragraphs, reader.language)


def _from_where(sentence: str, words: Words, where: Whereabouts, at: datetime) -> str:
    return sentence.format(
        browser=where.browser or words.unknown_browser,
        place=where.place or words.unknown_place,
        when=f"{at:%Y-%m-%d %H:%M} UTC",
    )


def _minutes(life: timedelta) -> int:
    return int(life.total_seconds() // 60)


# What was granted -----------------------------------------------------------------------------------------------------

Named = Mapping[str, tuple[str, str | None]]
"""Kind and name by identifier."""


def names_in(about: Mapping[str, str]) -> set[str]:
    """Whose names a letter about a grant needs."""
    return {about["company"]} if about["grant"] == "main-administrator" else {about["of"], about["company"]}


def what_was_granted(about: Mapping[str, str], names: Named, words: Words) -> str:
    """A grant in words, as far as the names are known."""
    company = names.get(about["company"], ("company", None))[1]
    of = words.of_company.format(company=company) if company else ""
    kind, name = names.get(about["of"], ("product", None))
    called = words.called.format(name=name) if name else ""
    match about["grant"]:
        case "main-administrator":
            sentence = words.main_administration
        case "account-administrator":
            sentence = words.account_administration
        case _:
            sentence = words.access_to[kind]
    return sentence.format(of=of, called=called)


# The layout -----------------------------------------------------------------------------------------------------------

_CODE = "font-family:monospace;font-size:28px;letter-spacing:6px;font-weight:bold;margin:24px 0"
_PAGE = """\
<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;font-family:sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a">
<div style="max-width:560px;margin:0 auto">
{body}
<p style="font-size:13px;color:#5c5c5c;border-top:1px solid #d0d0d0;padding-top:12px">{note}</p>
</div>
</body>
</html>
"""


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)


def _paragraph(paragraph: str) -> str:
    return f"<p>{escape(paragraph)}</p>"

"""Who held what, which places were there, which accounts lay in which agreement: since when, until when, by whose hand?

H2   A moment of the past is a look at these tables: what began no later and ended later was so at that moment.
P4   Access to a product ends with the product, at the moment of its closing; so does what was granted on an account or
C7   an agreement with its end. That profiles says so a moment later is no news; a grant that came later never began.

What has not ended, ends at `infinity`. An end is the earliest that anybody has said, in whatever order it was heard, so
the tables are the same after a rebuild. Times are those of the history, which never run backwards within a stream.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.events import (
    AccountEnded,
    AccountOpened,
    CompanyRegistered,
    FrameworkAgreementEnded,
    FrameworkAgreementOpened,
)
from services.products.events import (
    BizzActivated,
    BizzOrdered,
    ETicketOrdered,
    NumberPlatePaymentOrdered,
    ProductClosed,
)
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
)
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from services.profiles.reach import ASKER_IS_STAFF
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement

_SPAN: LiteralString = """
    since timestamptz NOT NULL, since_event text NOT NULL, begun_by text NOT NULL, begun_under text,
    until timestamptz NOT NULL DEFAULT 'infinity', until_event text, ended_by text, ended_under text"""

Ordered = BizzOrdered | NumberPlatePaymentOrdered | ETicketOrdered
Granted = MainAdministratorGranted | AccountAdministratorGranted | ProductAccessGranted
Revoked = MainAdministratorRevoked | AccountAdministratorRevoked | ProductAccessRevoked


class Spans:
    """One row a grant, a place, and a stay of an account in an agreement."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "place_spans": f"""
            CREATE TABLE IF NOT EXISTS place_spans (
                place_id text PRIMARY KEY, kind text NOT NULL, account_id text, company_id text NOT NULL, product text,
                {_SPAN}, usable_at_storebaelt_from timestamptz, usable_elsewhere_from timestamptz,
                closed_at_partners_by timestamptz);
            CREATE INDEX IF NOT EXISTS place_spans_account ON place_spans (account_id, place_id);
            CREATE INDEX IF NOT EXISTS place_spans_company ON place_spans (company_id);
            CREATE INDEX IF NOT EXISTS place_spans_since ON place_spans (since, since_event);
            CREATE INDEX IF NOT EXISTS place_spans_until ON place_spans (until, until_event)""",
        "agreement_spans": f"""
            CREATE TABLE IF NOT EXISTS agreement_spans (
                account_id text NOT NULL, agreement_id text NOT NULL, company_id text NOT NULL, {_SPAN},
                PRIMARY KEY (account_id, agreement_id));
            CREATE INDEX IF NOT EXISTS agreement_spans_agreement ON agreement_spans (agreement_id, account_id);
            CREATE INDEX IF NOT EXISTS agreement_spans_company ON agreement_spans (company_id);
            CREATE INDEX IF NOT EXISTS agreement_spans_since ON agreement_spans (since, since_event);
            CREATE INDEX IF NOT EXISTS agreement_spans_until ON agreement_spans (until, until_event)""",
        "grant_spans": f"""
            CREATE TABLE IF NOT EXISTS grant_spans (
                profile_id text NOT NULL, kind text NOT NULL, target_id text NOT NULL, account_id text,
                company_id text NOT NULL, {_SPAN}, made_at_version bigint NOT NULL, because text,
                PRIMARY KEY (profile_id, since_event));
            CREATE INDEX IF NOT EXISTS grant_spans_target ON grant_spans (target_id, kind, profile_id);
            CREATE INDEX IF NOT EXISTS grant_spans_account ON grant_spans (account_id);
            CREATE INDEX IF NOT EXISTS grant_spans_company ON grant_spans (company_id, profile_id);
            CREATE INDEX IF NOT EXISTS grant_spans_since ON grant_spans (since, since_event);
            CREATE INDEX IF NOT EXISTS grant_spans_until ON grant_spans (until, until_event)""",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {}
    # What lies in reach now; one's own grants are no exception: who holds product access may not read histories (H3).
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "place_spans": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR kind = 'agreement' AND place_id IN (SELECT asker_agreements())
            OR kind = 'company' AND place_id IN (SELECT asker_companies())""",
        "agreement_spans": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())",
        "grant_spans": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR kind = 'main-administrator' AND target_id IN (SELECT asker_agreements())""",
    }

    def changes(self, recorded: Recorded) -> Iterable[Statement]:  # noqa: PLR0911 (one case an event)
        match recorded.data:
            case CompanyRegistered(company_id=company):
                return [_place(recorded, company, "company", None, company)]
            case AccountOpened() | FrameworkAgreementOpened() | AccountEnded() | FrameworkAgreementEnded() as said:
                return _accounts(recorded, said)
            case BizzOrdered() | NumberPlatePaymentOrdered() | ETicketOrdered() as ordered:
                return [_ordered(recorded, ordered)]
            case BizzActivated(product_id=product):
                return [Statement(_ACTIVATED, {**_envelope(recorded), "place": product})]
            case ProductClosed(product_id=product, closed_at_partners_by=partners):
                return _ended(recorded, product, "product-closed", partners)
            case MainAdministratorGranted() | AccountAdministratorGranted() | ProductAccessGranted() as granted:
                return [_granted(recorded, granted)]
            case MainAdministratorRevoked() | AccountAdministratorRevoked() | ProductAccessRevoked() as revoked:
                return [_revoked(recorded, revoked)]
            case ProfileCancelled():
                return [Statement(_CANCELLED, _envelope(recorded))]
            case _:
                return []


def _accounts(
    recorded: Recorded, event: AccountOpened | FrameworkAgreementOpened | AccountEnded | FrameworkAgreementEnded
) -> Iterable[Statement]:
    match event:
        case AccountOpened(account_id=account, company_id=company, agreement_id=agreement):
            yield _place(recorded, account, "account", account, company)
            if agreement is not None:
                yield _joined(recorded, account, agreement, company)
        case FrameworkAgreementOpened(agreement_id=agreement, company_id=company, framework_account_id=framework):
            yield _place(recorded, agreement, "agreement", None, company)
            for account in (framework, *event.sub_account_ids):
                yield _joined(recorded, account, agreement, company)
        case AccountEnded(account_id=account):
            yield from _ended(recorded, account, "account-ended")
        case FrameworkAgreementEnded(agreement_id=agreement):
            yield from _ended(recorded, agreement, "agreement-ended")
            yield Statement(_LEFT, {**_envelope(recorded), "place": agreement})


def _envelope(recorded: Recorded) -> dict[str, object]:
    return {
        "event": recorded.id,
        "by": str(recorded.actor),
        "under": recorded.grant,
        "stream": recorded.stream,
        "version": recorded.version,
    }


def _place(recorded: Recorded, place: str, kind: str, account: str | None, company: str) -> Statement:
    of = {"place": place, "kind": kind, "account": account, "company": company, "product": None}
    return Statement(_PLACE, {**_envelope(recorded), **of, "storebaelt": None, "elsewhere": None})


def _ordered(recorded: Recorded, event: Ordered) -> Statement:
    bizz = isinstance(event, BizzOrdered)
    of = {
        "place": event.product_id,
        "kind": "product",
        "account": event.account_id,
        "company": event.company_id,
        "product": "bizz" if bizz else "eticket" if isinstance(event, ETicketOrdered) else "number-plate-payment",
        "storebaelt": None if isinstance(event, BizzOrdered) else event.usable_at_storebaelt_from,
        "elsewhere": None if isinstance(event, BizzOrdered) else event.usable_elsewhere_from,
    }
    return Statement(_PLACE, {**_envelope(recorded), **of})


def _joined(recorded: Recorded, account: str, agreement: str, company: str) -> Statement:
    return Statement(_JOINED, {**_envelope(recorded), "account": account, "agreement": agreement, "company": company})


def _ended(recorded: Recorded, place: str, because: str, partners: object = None) -> Iterable[Statement]:
    of = {**_envelope(recorded), "place": place, "because": because, "partners": partners}
    yield Statement(_ENDED, of)
    # Everything on an account ends with it, of a product or an agreement what is on itself.
    yield Statement(_GRANTS_OF_ACCOUNT_ENDED if because == "account-ended" else _GRANTS_ENDED, of)


def _granted(recorded: Recorded, event: Granted) -> Statement:
    kind, target, account = _grant(event)
    of = {"kind": kind, "target": target, "account": account, "company": event.company_id}
    return Statement(_GRANTED, {**_envelope(recorded), **of})


def _revoked(recorded: Recorded, event: Revoked) -> Statement:
    kind, target, _ = _grant(event)
    return Statement(_REVOKED, {**_envelope(recorded), "kind": kind, "target": target, "because": event.because})


def _grant(event: Granted | Revoked) -> tuple[str, str, str | None]:
    """Its kind, what it is on, and the account that it lies in."""
    match event:
        case MainAdministratorGranted(agreement_id=agreement) | MainAdministratorRevoked(agreement_id=agreement):
            return MAIN, agreement, None
        case AccountAdministratorGranted(account_id=account) | AccountAdministratorRevoked(account_id=account):
            return ACCOUNT, account, account
        case ProductAccessGranted() | ProductAccessRevoked():
            return PRODUCT, event.product_id, event.account_id


_AT: LiteralString = "(SELECT h.at FROM history h WHERE h.event_id = %(event)s)"
_BEGUN: LiteralString = f"{_AT}, %(event)s, %(by)s, %(under)s"
_ENDING: LiteralString = f"until = {_AT}, until_event = %(event)s, ended_by = %(by)s, ended_under = %(under)s"
_ENDED_LATER: LiteralString = f"(until, coalesce(until_event, '')) > ({_AT}, %(event)s)"
"""An end that was heard of stays, unless this one came before it."""
_PLACE: LiteralString = f"""
    INSERT INTO place_spans (place_id, kind, account_id, company_id, product, since, since_event, begun_by, begun_under,
                             usable_at_storebaelt_from, usable_elsewhere_from)
    VALUES (%(place)s, %(kind)s, %(account)s, %(company)s, %(product)s, {_BEGUN}, %(storebaelt)s, %(elsewhere)s)
    ON CONFLICT DO NOTHING"""
_ACTIVATED: LiteralString = f"""
    UPDATE place_spans SET usable_at_storebaelt_from = {_AT}, usable_elsewhere_from = {_AT}
    WHERE place_id = %(place)s"""
_ENDED: LiteralString = f"""
    UPDATE place_spans SET closed_at_partners_by = %(partners)s, {_ENDING}
    WHERE place_id = %(place)s AND until = 'infinity'"""
_JOINED: LiteralString = f"""
    INSERT INTO agreement_spans (account_id, agreement_id, company_id, since, since_event, begun_by, begun_under)
    VALUES (%(account)s, %(agreement)s, %(company)s, {_BEGUN}) ON CONFLICT DO NOTHING"""
_LEFT: LiteralString = f"""
    UPDATE agreement_spans SET {_ENDING} WHERE agreement_id = %(place)s AND until = 'infinity'"""
_GRANTED: LiteralString = f"""
    INSERT INTO grant_spans (profile_id, kind, target_id, account_id, company_id, since, since_event, begun_by,
                             begun_under, made_at_version, until, until_event, ended_by, ended_under, because)
    SELECT %(stream)s, %(kind)s, %(target)s, %(account)s, %(company)s, {_BEGUN}, %(version)s,
           coalesce(e.until, 'infinity'), e.until_event, e.ended_by, e.ended_under, e.because
    FROM (SELECT 1) AS one LEFT JOIN (
        SELECT until, until_event, ended_by, ended_under,
               kind || CASE kind WHEN 'product' THEN '-closed' ELSE '-ended' END AS because
        FROM place_spans WHERE place_id IN (%(target)s, %(account)s) AND until < 'infinity'
        ORDER BY until, until_event LIMIT 1) AS e ON true
    ON CONFLICT DO NOTHING"""
_REVOKED: LiteralString = f"""
    UPDATE grant_spans SET because = %(because)s, {_ENDING}
    WHERE profile_id = %(stream)s AND kind = %(kind)s AND target_id = %(target)s
      AND made_at_version < %(version)s AND {_ENDED_LATER}"""
_CANCELLED: LiteralString = f"""
    UPDATE grant_spans SET because = 'profile-cancelled', {_ENDING}
    WHERE profile_id = %(stream)s AND made_at_version < %(version)s AND {_ENDED_LATER}"""
_GRANTS_ENDED: LiteralString = f"""
    UPDATE grant_spans SET because = %(because)s, {_ENDING} WHERE target_id = %(place)s AND {_ENDED_LATER}"""
_GRANTS_OF_ACCOUNT_ENDED: LiteralString = f"""
    UPDATE grant_spans SET because = %(because)s, {_ENDING} WHERE account_id = %(place)s AND {_ENDED_LATER}"""

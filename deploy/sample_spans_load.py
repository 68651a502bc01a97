"""The spans of a sample history, all at once: what `services.audit.views.spans` makes of event after event.

For histories so long that event after event would take hours. A test holds both against each other.
"""

from typing import LiteralString

import psycopg

_BEGUN: LiteralString = "b.at, b.event_id, b.actor, b.grant"
_ENDED: LiteralString = "coalesce(e.at, 'infinity'), e.event_id, e.actor, e.grant"
_PLACES: LiteralString = f"""
    INSERT INTO place_spans (place_id, kind, account_id, company_id, product, since, since_event, begun_by, begun_under,
                             until, until_event, ended_by, ended_under, closed_at_partners_by,
                             usable_at_storebaelt_from, usable_elsewhere_from)
    SELECT b.stream, 'product', b.data ->> 'account_id', b.data ->> 'company_id',
           CASE b.type WHEN 'products.bizz-ordered.v1' THEN 'bizz' WHEN 'products.eticket-ordered.v1' THEN 'eticket'
                       ELSE 'number-plate-payment' END, {_BEGUN}, {_ENDED},
           (e.data ->> 'closed_at_partners_by')::timestamptz,
           coalesce(a.at, (b.data ->> 'usable_at_storebaelt_from')::timestamptz),
           coalesce(a.at, (b.data ->> 'usable_elsewhere_from')::timestamptz)
    FROM history b
    LEFT JOIN history e ON e.stream = b.stream AND e.type = 'products.product-closed.v1'
    LEFT JOIN history a ON a.stream = b.stream AND a.type = 'products.bizz-activated.v1'
    WHERE b.type IN ('products.bizz-ordered.v1', 'products.number-plate-payment-ordered.v1',
                     'products.eticket-ordered.v1')
    UNION ALL
    SELECT b.stream, 'company', NULL, b.stream, NULL, {_BEGUN}, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL
    FROM history b WHERE b.type = 'company.company-registered.v1'
    UNION ALL
    SELECT b.data ->> 'account_id', 'account', b.data ->> 'account_id', b.stream, NULL, {_BEGUN}, {_ENDED},
           NULL, NULL, NULL
    FROM history b LEFT JOIN history e ON e.stream = b.stream AND e.type = 'company.account-ended.v1'
        AND e.data ->> 'account_id' = b.data ->> 'account_id'
    WHERE b.type = 'company.account-opened.v1'
    UNION ALL
    SELECT b.data ->> 'agreement_id', 'agreement', NULL, b.stream, NULL, {_BEGUN}, {_ENDED}, NULL, NULL, NULL
    FROM history b LEFT JOIN history e ON e.stream = b.stream AND e.type = 'company.framework-agreement-ended.v1'
        AND e.data ->> 'agreement_id' = b.data ->> 'agreement_id'
    WHERE b.type = 'company.framework-agreement-opened.v1'"""
_STAYS: LiteralString = f"""
    INSERT INTO agreement_spans (account_id, agreement_id, company_id, since, since_event, begun_by, begun_under,
                                 until, until_event, ended_by, ended_under)
    SELECT DISTINCT ON (b.account_id, b.agreement_id)
           b.account_id, b.agreement_id, b.stream, {_BEGUN}, {_ENDED}
    FROM (
        SELECT h.*, h.data ->> 'account_id' AS account_id, h.data ->> 'agreement_id' AS agreement_id FROM history h
        WHERE h.type = 'company.account-opened.v1' AND h.data ->> 'agreement_id' IS NOT NULL
        UNION ALL
        SELECT h.*, a.account_id, h.data ->> 'agreement_id' FROM history h CROSS JOIN LATERAL (
            SELECT h.data ->> 'framework_account_id'
            UNION SELECT jsonb_array_elements_text(h.data -> 'sub_account_ids')) AS a(account_id)
        WHERE h.type = 'company.framework-agreement-opened.v1') AS b
    LEFT JOIN history e ON e.stream = b.stream AND e.type = 'company.framework-agreement-ended.v1'
        AND e.data ->> 'agreement_id' = b.agreement_id
    ORDER BY b.account_id, b.agreement_id, b.version"""
_GRANTS: LiteralString = """
    INSERT INTO grant_spans (profile_id, kind, target_id, account_id, company_id, since, since_event, begun_by,
                             begun_under, made_at_version, until, until_event, ended_by, ended_under, because)
    SELECT g.stream, g.kind, g.target_id, g.account_id, g.company_id, g.at, g.event_id, g.actor, g.grant, g.version,
           coalesce(e.at, 'infinity'), e.event_id, e.actor, e.grant, e.because
    FROM (
        SELECT *, lead(at) OVER again AS ended_at, lead(event_id) OVER again AS ended_event,
               lead(actor) OVER again AS ended_by, lead("grant") OVER again AS ended_under,
               lead(because) OVER again AS ended_because
        FROM (
            SELECT h.*, h.data ->> 'account_id' AS account_id, h.data ->> 'company_id' AS company_id,
                   h.data ->> 'because' AS because,
                   substring(h.type FROM 'profiles[.](.*)-(?:granted|revoked)[.]v1') AS kind,
                   coalesce(h.data ->> 'product_id', h.data ->> 'account_id', h.data ->> 'agreement_id') AS target_id
            FROM history h WHERE h.type ~ '^profiles[.].*-(granted|revoked)[.]v1$') AS said
        WINDOW again AS (PARTITION BY stream, kind, target_id ORDER BY version)) AS g
    LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT g.ended_at, g.ended_event, g.ended_by, g.ended_under, g.ended_because WHERE g.ended_at IS NOT NULL
            UNION ALL
            SELECT p.until, p.until_event, p.ended_by, p.ended_under,
                   p.kind || CASE p.kind WHEN 'product' THEN '-closed' ELSE '-ended' END
            FROM place_spans p WHERE p.place_id IN (g.target_id, g.account_id) AND p.until < 'infinity'
        ) AS ends(at, event_id, actor, "grant", because) ORDER BY at, event_id LIMIT 1) AS e ON true
    WHERE g.type LIKE '%-granted.v1'"""


def fill_spans(owner: str) -> None:
    """Make the spans of a history that is there, as the owner of its tables."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("TRUNCATE place_spans, agreement_spans, grant_spans")
        for statement in (_PLACES, _STAYS, _GRANTS):
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE place_spans, agreement_spans, grant_spans")

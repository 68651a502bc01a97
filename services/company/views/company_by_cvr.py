"""Which company has this CVR number? (C6: a CVR number is registered once.)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.company.domain.cvr import CvrAlreadyRegistered
from services.company.events import CompanyRegistered, CvrChanged
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class CompanyByCvr:
    """One row a CVR number; the unique key is what keeps C6, however many register or change to it at once."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "company_by_cvr": "CREATE TABLE IF NOT EXISTS company_by_cvr "
        "(cvr text PRIMARY KEY, company_id text NOT NULL UNIQUE)"
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"company_by_cvr_pkey": CvrAlreadyRegistered}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case CompanyRegistered(company_id=company, cvr=cvr):
                yield Statement("INSERT INTO company_by_cvr VALUES (%s, %s)", (cvr, company))
            case CvrChanged(company_id=company, cvr=cvr):
                yield Statement("UPDATE company_by_cvr SET cvr = %s WHERE company_id = %s", (cvr, company))
            case _:
                pass

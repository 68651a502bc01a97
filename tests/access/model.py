"""The rules of access once more, in a hundred lines: what a right system answers, and who then sees what.

Written from the rules (A2–A6, A8–A13, P4), not from the code that it is compared with.
"""

from dataclasses import dataclass, field

MAIN, ACCOUNT, PRODUCT, STAFF = "main-administrator", "account-administrator", "product-access", "customer-service"
ADMINISTRATORS, ALL_ABOVE = {MAIN, ACCOUNT}, {MAIN, ACCOUNT, STAFF}
MAY = {
    "order": ADMINISTRATORS,
    "close": ADMINISTRATORS,
    "create sub-account": {MAIN, STAFF},
    MAIN: {MAIN, STAFF},  # to grant it and to revoke it
    ACCOUNT: ALL_ABOVE,
    PRODUCT: ALL_ABOVE,
}

Answer = tuple[int, str]
"""Status and code."""
UNSEEN, FORBIDDEN, LAST = (404, "not-found"), (403, "not-permitted"), (409, "last-administrator")
CLOSED, TAKEN = (409, "product-closed"), (409, "email-has-product-access")
Grant = tuple[str, str]
"""Kind, and what it is for."""


@dataclass
class Model:
    """Everything that the rules depend on."""

    agreement_of: dict[str, str | None] = field(default_factory=dict)
    """Of each account."""
    account_of: dict[str, str] = field(default_factory=dict)
    """Of each product."""
    closed: set[str] = field(default_factory=set)
    grants: dict[str, set[Grant]] = field(default_factory=dict)
    """Of each person who has a login, by their address."""

    def kinds(self, who: str, on: str, target: str) -> set[str]:
        """The kinds of grants by which somebody sees a thing (A13)."""
        held = self.grants.get(who, set())
        account = self.account_of.get(target) if on == "product" else target
        seen = set()
        for kind, its in held:
            where = self.account_of[its] if kind == PRODUCT else its
            if on == "agreement":
                found = its == target if kind == MAIN else self.agreement_of.get(where) == target
            elif kind == MAIN:
                found = account is not None and self.agreement_of.get(account) == its
            elif on == "product" and kind == PRODUCT:
                found = its == target and target not in self.closed
            else:
                found = where == account
            if found:
                seen.add(kind)
        return seen

    def may(self, who: str, what: str, on: str, target: str) -> Answer | None:
        """None when it is within somebody's rights, else the refusal."""
        kinds = {STAFF} if who == STAFF else self.kinds(who, on, target)
        if not kinds:
            return UNSEEN
        return None if kinds & MAY[what] else FORBIDDEN

    def sees(self, who: str, person: str) -> bool:
        """Administrators see who holds something in their accounts, and the main administrators above them."""
        accounts = self.accounts(who)
        agreements = {self.agreement_of[account] for account in accounts}
        return person in self.grants and (
            who == STAFF
            or any(
                its in agreements if kind == MAIN else (self.account_of[its] if kind == PRODUCT else its) in accounts
                for kind, its in self.grants[person]
            )
        )

    def granting(self, by: str, person: str, grant: Grant) -> Answer | None:
        kind, target = grant
        if refused := self.may(by, kind, ON[kind], target):
            return refused
        if kind == PRODUCT and target in self.closed:
            return CLOSED
        other = {its for held, its in self.grants.get(person, set()) if held == PRODUCT} - {target}
        return TAKEN if kind == PRODUCT and other else None

    def revoking(self, by: str, person: str, grant: Grant) -> Answer | None:
        if not self.sees(by, person):
            return UNSEEN
        if refused := self.may(by, grant[0], ON[grant[0]], grant[1]):
            return refused
        return self._leaves_nobody(by, person, {grant} & self.grants[person])

    def cancelling(self, by: str, person: str) -> Answer | None:
        if by != person:
            if not self.sees(by, person):
                return UNSEEN
            if any(self.may(by, kind, ON[kind], its) for kind, its in self.grants[person]):
                return 403, "cannot-cancel"
        return self._leaves_nobody(by, person, self.grants[person])

    def _leaves_nobody(self, by: str, person: str, ended: set[Grant]) -> Answer | None:
        """A12: an account keeps an administrator, unless customer service says otherwise."""
        weakened = {
            account
            for account, agreement in self.agreement_of.items()
            if (ACCOUNT, account) in ended or (MAIN, agreement) in ended
        }
        after = {**self.grants, person: self.grants[person] - ended}
        left = {its for held in after.values() for kind, its in held if kind in {MAIN, ACCOUNT}}
        bare = any(account not in left and self.agreement_of[account] not in left for account in weakened)
        return LAST if bare and by != STAFF else None

    def accounts(self, who: str) -> set[str]:
        """The accounts that somebody administers."""
        held = self.grants.get(who, set())
        return {a for a, agreement in self.agreement_of.items() if (ACCOUNT, a) in held or (MAIN, agreement) in held}

    def products(self, who: str) -> set[str]:
        """The products that somebody sees: all of their accounts, or the one of their access while it is open."""
        own = {its for kind, its in self.grants.get(who, set()) if kind == PRODUCT} - self.closed
        return own | {product for product, account in self.account_of.items() if account in self.accounts(who)}

    def close(self, product: str) -> None:
        """P4: it ends every access to it."""
        self.closed.add(product)
        for held in self.grants.values():
            held.discard((PRODUCT, product))


ON = {MAIN: "agreement", ACCOUNT: "account", PRODUCT: "product"}

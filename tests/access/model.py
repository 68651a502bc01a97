"""The rules of access once more, in few lines: what a right system answers, and who then sees what.

Written from the rules (A2–A6, A8–A13, C5, C7, P4), not from the code that it is compared with.
"""

from dataclasses import dataclass, field

MAIN, ACCOUNT, PRODUCT, STAFF = "main-administrator", "account-administrator", "product-access", "customer-service"
ADMINISTRATORS, ALL_ABOVE = {MAIN, ACCOUNT}, {MAIN, ACCOUNT, STAFF}
MAY = {
    "order": ADMINISTRATORS,
    "close": ADMINISTRATORS,
    "create sub-account": {MAIN, STAFF},
    "end account": {MAIN, STAFF},
    "end agreement": {STAFF},
    MAIN: {MAIN, STAFF},  # to grant it and to revoke it
    ACCOUNT: ALL_ABOVE,
    PRODUCT: ALL_ABOVE,
}

Answer = tuple[int, str]
"""Status and code."""
UNSEEN, FORBIDDEN, LAST = (404, "not-found"), (403, "not-permitted"), (409, "last-administrator")
CLOSED, TAKEN, ENDED = (409, "product-closed"), (409, "email-has-product-access"), (409, "account-ended")
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
    company_of: dict[str, str] = field(default_factory=dict)
    """Of each account."""
    framework: set[str] = field(default_factory=set)
    """The framework accounts of agreements that live."""
    ended: set[str] = field(default_factory=set)
    """Accounts."""
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
        if kind == ACCOUNT and target in self.ended:
            return ENDED
        other = {its for held, its in self.grants.get(person, set()) if held == PRODUCT} - {target}
        return TAKEN if kind == PRODUCT and other else None

    def revoking(self, by: str, person: str, grant: Grant) -> Answer | None:
        if not self.sees(by, person):
            return UNSEEN
        if refused := self.may(by, grant[0], ON[grant[0]], grant[1]):
            return refused
        return self._leaves_nobody(by, person, {grant} & self.grants[person])

    def changing(self, by: str, person: str, give: Grant, take: Grant) -> Answer | None:
        """All or nothing; what is taken goes first (A8), and A12 is asked of the result."""
        if give == take:
            return 422, "grant-given-and-taken"
        if not self.sees(by, person):
            return UNSEEN
        for kind, target in (take, give):  # the rights are those that one has before it
            if refused := self.may(by, kind, ON[kind], target):
                return refused
        held, before = self.grants[person], set(self.grants[person])
        held.discard(take)
        refused = self.granting(STAFF, person, give)
        held |= before
        return refused or self._leaves_nobody(by, person, {take} & held, {give})

    def ordering(self, by: str, account: str) -> Answer | None:
        return self.may(by, "order", "account", account) or (ENDED if account in self.ended else None)

    def ending(self, by: str, account: str) -> Answer | None:
        """C5, C6: an agreement keeps its framework account and a sub-account, a company keeps an account."""
        if (refused := self.may(by, "end account", "account", account)) or account in self.ended:
            return refused
        if account in self.framework:
            return 409, "framework-account-stays"
        live = [one for one in self.company_of if self.company_of[one] == self.company_of[account]]
        live = [one for one in live if one not in self.ended | {account}]
        if self.agreement_of[account] and not set(live) - self.framework:
            return 409, "last-sub-account"
        return None if live else (409, "last-account")

    def cancelling(self, by: str, person: str) -> Answer | None:
        if by != person:
            if not self.sees(by, person):
                return UNSEEN
            if any(self.may(by, kind, ON[kind], its) for kind, its in self.grants[person]):
                return 403, "cannot-cancel"
        return self._leaves_nobody(by, person, self.grants[person])

    def _leaves_nobody(
        self, by: str, person: str, ended: set[Grant], begun: frozenset[Grant] | set[Grant] = frozenset()
    ) -> Answer | None:
        """A12: an account keeps an administrator, unless customer service says otherwise."""
        weakened = {
            account
            for account, agreement in self.agreement_of.items()
            if account not in self.ended and ((ACCOUNT, account) in ended or (MAIN, agreement) in ended)
        }
        after = {**self.grants, person: self.grants[person] - ended | begun}
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
        self._end({(PRODUCT, product)})

    def end_account(self, account: str) -> None:
        """C7: it closes its products and ends the grants on it."""
        self.ended.add(account)
        self._end({(ACCOUNT, account)})
        for product in [product for product, where in self.account_of.items() if where == account]:
            self.close(product)

    def end_agreement(self, agreement: str) -> None:
        """C7: it ends its main administrators' grants; its accounts stay."""
        self._end({(MAIN, agreement)})
        self.framework = {account for account in self.framework if self.agreement_of[account] != agreement}
        self.agreement_of = {a: None if its == agreement else its for a, its in self.agreement_of.items()}

    def _end(self, grants: set[Grant]) -> None:
        for held in self.grants.values():
            held.difference_update(grants)


ON = {MAIN: "agreement", ACCOUNT: "account", PRODUCT: "product"}

"""What the mails say. Plain text, no link that does anything when it is fetched (C-28)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's subject and text."""

    subject: str
    text: str


def login_code(*, name: str, code: str, life: timedelta) -> Letter:
    """The code somebody asked to log in with."""
    minutes = int(life.total_seconds() // 60)
    return Letter(
        "Your login code",
        f"""\
Hello {name},

your login code is

    {code}

It works once, in the browser that asked for it, until {minutes} minutes after you asked.

If you did not ask for it, you need do nothing: nobody gets in without it. We never ask you for it.
""",
    )


def new_address(*, name: str, code: str, life: timedelta) -> Letter:
    """The code that proves a new address (A15); whoever reads it may know nothing of us."""
    minutes = int(life.total_seconds() // 60)
    return Letter(
        "Confirm your e-mail address",
        f"""\
Hello,

{name} wants to log in to the business self-service with this e-mail address. The code that confirms it is

    {code}

It works once, in the session that asked for it, until {minutes} minutes after that.

If that was not you, you need do nothing: nothing changes without the code. We never ask you for it.
""",
    )


def address_left(*, name: str, site: str) -> Letter:
    """To the old address, once a new one has taken its place (C-26)."""
    return Letter(
        "Your e-mail address has been changed",
        f"""\
Hello {name},

you log in to the self-service at {site} with another e-mail address from now on. This one is
no longer yours there.

If that was not you, tell an administrator of your company or customer service at once.
""",
    )


def invitation(*, name: str, email: str, by: str, what: str, site: str) -> Letter:
    """The first grant of a person: who invited them and to what (L4)."""
    return Letter(
        "You have been invited to the self-service",
        f"""\
Hello {name},

{by} has given you {what}.

Log in at {site} with this e-mail address, {email}. There is no password: each time you are
mailed a code. The first one confirms your address.
""",
    )


def notice(*, name: str, by: str, what: str, site: str) -> Letter:
    """One more grant of a person who was invited before."""
    return Letter(
        "You have been given more in the self-service",
        f"""\
Hello {name},

{by} has given you {what}.

You find it at {site} when you log in.
""",
    )


_HAPPENED: Mapping[str, str] = {
    "new-device": "Somebody has logged in as you from a browser that has not done so before.",
    "success-after-failures": "Somebody has logged in as you after several wrong codes.",
    "app-enrolled": "An authenticator app was enrolled for your login, with recovery codes.",
    "app-removed": "The authenticator app of your login was removed, with its recovery codes.",
    "method-chosen": "By what you log in was changed.",
    "recovery-codes-issued": "New recovery codes were made for your login; the ones before are worth nothing.",
    "recovery-code-used": "A recovery code was used to log in as you.",
    "login-paused": (
        "So many wrong codes were tried for your login that new browsers are refused for now. A browser that you have "
        "used before still lets you in, and so does another of your ways to log in."
    ),
    "re-invited": (
        "Two people who administer your access have set your login back: you log in with mailed codes again, and an "
        "authenticator app and recovery codes that you had are worth nothing."
    ),
}


def security(*, name: str, what: str, site: str) -> Letter:
    """Something about a person's login that they should know of (C-25)."""
    return Letter(
        "About your login to the self-service",
        f"""\
Hello {name},

{_HAPPENED[what]}

If it was you, you need do nothing. If not, tell your administrator or customer service at once, and see
who is logged in as you at {site}.
""",
    )


Named = Mapping[str, tuple[str, str | None]]
"""Kind and name by identifier."""


def names_in(about: Mapping[str, str]) -> set[str]:
    """Whose names a letter about a grant needs."""
    return {about["company"]} if about["grant"] == "main-administrator" else {about["of"], about["company"]}


def what_was_granted(about: Mapping[str, str], names: Named) -> str:
    """A grant in words, as far as the names are known."""
    company = names.get(about["company"], ("company", None))[1]
    owner = f" of {company}" if company else ""
    kind, name = names.get(about["of"], ("product" if about["grant"] == "product-access" else "account", None))
    called = f' "{name}"' if name else ""
    match about["grant"]:
        case "main-administrator":
            return f"the main administration of the framework agreement{owner}"
        case "account-administrator":
            return f"the administration of the account{called}{owner}"
        case _:
            return f"access to {'an' if kind == 'eTicket' else 'a'} {kind}{called}{owner}"

"""The words of the mails in English."""

from services.auth.adapters.words import Words

ENGLISH = Words(
    hello="Hello {name},",
    hello_stranger="Hello,",
    asked_from="Asked for with {browser}, from the network {place}, on {when}.",
    happened_from="With {browser}, from the network {place}, on {when}.",
    unknown_browser="an unknown browser",
    unknown_place="(unknown)",
    sender_note="This mail was sent by the business self-service. Please do not answer it.",
    code_subject="Your login code",
    code_for_login="your code to log in to the self-service is",
    code_lives="It works once, in the browser that asked for it, until {minutes} minutes after you asked.",
    code_not_asked_for=(
        "If you did not ask for it, you need do nothing: nobody gets in without it. We never ask you for it."
    ),
    address_code_subject="Confirm your e-mail address",
    address_code=(
        "{name} wants to log in to the business self-service with this e-mail address. The code that confirms it is"
    ),
    address_code_lives="It works once, in the session that asked for it, until {minutes} minutes after that.",
    address_code_not_asked_for=(
        "If that was not you, you need do nothing: nothing changes without the code. We never ask you for it."
    ),
    address_left_subject="Your e-mail address has been changed",
    address_left=(
        "you log in to the self-service at {site} with another e-mail address from now on. This one is no longer yours "
        "there."
    ),
    address_left_not_you="If that was not you, tell an administrator of your company or customer service at once.",
    invited_subject="You have been invited to the self-service",
    granted_subject="You have been given more in the self-service",
    granted="{by} has given you {what}.",
    how_to_log_in=(
        "Log in at {site} with this e-mail address, {email}. There is no password: each time you are mailed a code. "
        "The first one confirms your address."
    ),
    where_to_find_it="You find it at {site} when you log in.",
    colleague="A colleague",
    customer_service="Customer service",
    of_customer_service="{name}, customer service,",
    main_administration="the main administration of the framework agreement{of}",
    account_administration="the administration of the account{called}{of}",
    access_to={
        "bizz": "access to a bizz{called}{of}",
        "number plate payment": "access to a number plate payment{called}{of}",
        "eTicket": "access to an eTicket{called}{of}",
        "product": "access to a product{called}{of}",
    },
    of_company=" of {company}",
    called=' "{name}"',
    change_subject="A change that your company asked for",
    change_decided={
        "approved": "Customer service has approved the change of {what} of {company}. It is done.",
        "declined": "Customer service has declined the change of {what} of {company}. Nothing has changed.",
        "withdrawn": "Somebody has withdrawn your request for a change of {what} of {company}. Nothing has changed.",
    },
    change_of={
        "legal-name": "the legal name",
        "cvr": "the CVR number",
        "invoice-format": "the invoice format",
        "payment": "the way of payment",
    },
    change_reason="The reason given: {reason}",
    a_company="your company",
    security_subject="About your login to the self-service",
    security={
        "new-device": "Somebody has logged in as you from a browser that has not done so before.",
        "success-after-failures": "Somebody has logged in as you after several wrong codes.",
        "app-enrolled": "An authenticator app was enrolled for your login, with recovery codes.",
        "app-removed": "The authenticator app of your login was removed, with its recovery codes.",
        "method-chosen": "By what you log in was changed.",
        "recovery-codes-issued": "New recovery codes were made for your login; the ones before are worth nothing.",
        "recovery-code-used": "A recovery code was used to log in as you.",
        "login-paused": (
            "So many wrong codes were tried for your login that new browsers are refused for now. A browser that you "
            "have used before still lets you in, and so does another of your ways to log in."
        ),
        "re-invited": (
            "Two people who administer your access have set your login back: you log in with mailed codes again, and "
            "an authenticator app and recovery codes that you had are worth nothing."
        ),
        "too-many-sessions": (
            "You were logged in with more browsers than may be at the same time. The one in which you had logged in "
            "longest ago is logged out."
        ),
        "session-taken-over": (
            "One of your logins was used from two places at once, so it is logged out. Somebody may have copied it "
            "from your browser."
        ),
        "sessions-ended-by-administrator": (
            "Somebody who administers your access, or customer service, has logged you out everywhere. You can log in "
            "again."
        ),
    },
    security_advice=(
        "If it was you, you need do nothing. If not, tell your administrator or customer service at once, and see "
        "where you are logged in at {site}."
    ),
    card_subject={
        "expiring": "A payment card expires soon",
        "expired": "A payment card has expired",
    },
    card={
        "expiring": (
            "the payment card that {charged} is charged to, {brand} ending in {last_four}, is good to the end of "
            "{ends}."
        ),
        "expired": (
            "the payment card that {charged} is charged to, {brand} ending in {last_four}, was good to the end of "
            "{ends} and can be charged no longer."
        ),
    },
    card_advice="Replace it on {site}, or choose another card. Never send us the number of a card.",
    another_brand="a card",
    charged={"account": "the account{called}", "product": "one product of the account{called}"},
)

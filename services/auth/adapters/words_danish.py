"""The words of the mails in Danish."""

from services.auth.adapters.words import Words

DANISH = Words(
    hello="Hej {name}",
    hello_stranger="Hej",
    asked_from="Bestilt med {browser} fra netværket {place} den {when}.",
    happened_from="Med {browser} fra netværket {place} den {when}.",
    unknown_browser="en ukendt browser",
    unknown_place="(ukendt)",
    sender_note="Denne mail er sendt af erhvervsselvbetjeningen. Den kan ikke besvares.",
    code_subject="Din login-kode",
    code_for_login="din kode til at logge ind i selvbetjeningen er",
    code_lives="Den virker én gang, i den browser den blev bestilt fra, indtil {minutes} minutter efter bestillingen.",
    code_not_asked_for=(
        "Har du ikke bedt om den, behøver du ikke gøre noget: ingen kommer ind uden den. Vi beder dig aldrig om den."
    ),
    address_code_subject="Bekræft din e-mailadresse",
    address_code="{name} vil logge ind i erhvervsselvbetjeningen med denne e-mailadresse. Koden, der bekræfter det, er",
    address_code_lives="Den virker én gang, i den session den blev bestilt fra, indtil {minutes} minutter derefter.",
    address_code_not_asked_for=(
        "Var det ikke dig, behøver du ikke gøre noget: intet ændres uden koden. Vi beder dig aldrig om den."
    ),
    address_left_subject="Din e-mailadresse er ændret",
    address_left=(
        "fra nu af logger du ind i selvbetjeningen på {site} med en anden e-mailadresse. Denne er ikke længere din der."
    ),
    address_left_not_you=(
        "Var det ikke dig, så sig det straks til en administrator i din virksomhed eller til kundeservice."
    ),
    invited_subject="Du er inviteret til selvbetjeningen",
    granted_subject="Du har fået mere i selvbetjeningen",
    granted="{by} har givet dig {what}.",
    how_to_log_in=(
        "Log ind på {site} med denne e-mailadresse, {email}. Der er ingen adgangskode: hver gang får du en kode på "
        "mail. Den første bekræfter din adresse."
    ),
    where_to_find_it="Du finder det på {site}, når du logger ind.",
    colleague="En kollega",
    customer_service="Kundeservice",
    of_customer_service="{name}, kundeservice,",
    main_administration="hovedadministrationen af rammeaftalen{of}",
    account_administration="administrationen af kontoen{called}{of}",
    access_to={
        "bizz": "adgang til en bizz{called}{of}",
        "number plate payment": "adgang til en nummerpladebetaling{called}{of}",
        "eTicket": "adgang til en eTicket{called}{of}",
        "product": "adgang til et produkt{called}{of}",
    },
    of_company=" hos {company}",
    called=" »{name}«",
    change_subject="En ændring, din virksomhed har bedt om",
    change_decided={
        "approved": "Kundeservice har godkendt ændringen af {what} for {company}. Den er gennemført.",
        "declined": "Kundeservice har afvist ændringen af {what} for {company}. Intet er ændret.",
        "withdrawn": "Nogen har trukket din anmodning om at ændre {what} for {company} tilbage. Intet er ændret.",
    },
    change_of={
        "legal-name": "det juridiske navn",
        "cvr": "CVR-nummeret",
        "invoice-format": "fakturaformatet",
        "payment": "betalingsmåden",
    },
    change_reason="Begrundelsen lyder: {reason}",
    a_company="din virksomhed",
    security_subject="Om dit login til selvbetjeningen",
    security={
        "new-device": "Nogen er logget ind som dig fra en browser, der ikke har været brugt før.",
        "success-after-failures": "Nogen er logget ind som dig efter flere forkerte koder.",
        "app-enrolled": "En autentificeringsapp er tilmeldt dit login, med genoprettelseskoder.",
        "app-removed": "Autentificeringsappen er fjernet fra dit login, sammen med dens genoprettelseskoder.",
        "method-chosen": "Det, du logger ind med, er ændret.",
        "recovery-codes-issued": "Der er lavet nye genoprettelseskoder til dit login; de tidligere gælder ikke mere.",
        "recovery-code-used": "En genoprettelseskode er brugt til at logge ind som dig.",
        "login-paused": (
            "Så mange forkerte koder er prøvet på dit login, at nye browsere afvises indtil videre. En browser, du har "
            "brugt før, lukker dig stadig ind, og det gør også en anden af dine måder at logge ind på."
        ),
        "re-invited": (
            "To personer, der administrerer din adgang, har nulstillet dit login: du logger igen ind med koder på "
            "mail, og en autentificeringsapp og genoprettelseskoder, du havde, gælder ikke mere."
        ),
        "too-many-sessions": (
            "Du var logget ind i flere browsere, end man må være på én gang. Den, du loggede ind i for længst tid "
            "siden, er logget ud."
        ),
        "session-taken-over": (
            "Et af dine logins blev brugt to steder på én gang, så det er logget ud. Nogen kan have kopieret det fra "
            "din browser."
        ),
        "sessions-ended-by-administrator": (
            "En, der administrerer din adgang, eller kundeservice har logget dig ud overalt. Du kan logge ind igen."
        ),
    },
    security_advice=(
        "Var det dig, behøver du ikke gøre noget. Ellers sig det straks til din administrator eller kundeservice, og "
        "se på {site}, hvor du er logget ind."
    ),
    card_subject={
        "expiring": "Et betalingskort udløber snart",
        "expired": "Et betalingskort er udløbet",
    },
    card={
        "expiring": (
            "det betalingskort, som {charged} trækkes på, {brand} der ender på {last_four}, gælder til og med {ends}."
        ),
        "expired": (
            "det betalingskort, som {charged} trækkes på, {brand} der ender på {last_four}, gjaldt til og med "
            "{ends}, og der kan ikke længere trækkes på det."
        ),
    },
    card_advice="Udskift det på {site}, eller vælg et andet kort. Send os aldrig et kortnummer.",
    another_brand="et kort",
    charged={"account": "kontoen{called}", "product": "et produkt på kontoen{called}"},
)

"""The post: hands a letter to an SMTP server."""

from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.auth.adapters.letters import Letter
from shared.clock import Clock

TIMEOUT_SECONDS = 10.0
"""Of each step; how long all of them together may take is for whoever sends."""
_PORTS = {"smtp": 25, "smtps": 465}
_FOR_GOOD = 500


class NotSent(Exception):
    """The letter was not taken; trying again later may help."""


class RefusedForGood(NotSent):
    """The server says that it will never take this letter for this address."""


class Post:
    """One SMTP server, `smtp://host:port` (TLS where the server offers it) or `smtps://user:password@host:port`."""

    def __init__(self, smtp_url: str, sender: str, clock: Clock) -> None:
        """Raises ValueError for an address of another kind."""
        address = urlsplit(smtp_url)
        if address.scheme not in _PORTS or not address.hostname:
            raise ValueError("SMTP_URL must be smtp://host:port or smtps://host:port")
        self._host, self._port = address.hostname, address.port or _PORTS[address.scheme]
        self._tls = address.scheme == "smtps"
        self._user = unquote(address.username) if address.username else None
        self._password = unquote(address.password) if address.password else None
        self._sender, self._clock = sender, clock

    async def send(self, mail_id: str, to: str, letter: Letter) -> None:
        """Hand over one letter. Raises NotSent or RefusedForGood, never telling what was in it."""
        try:
            await aiosmtplib.send(
                self._message(mail_id, to, letter),
                sender=self._sender,
                recipients=[to],
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                timeout=TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPException, MessageError, OSError, ValueError) as failure:
            raise (RefusedForGood if _is_for_good(failure) else NotSent)(type(failure).__name__) from failure

    def _message(self, mail_id: str, to: str, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = formataddr(("Business self-service", self._sender))
        message["To"] = to
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(self._clock())
        # Sent a second time after a crash it is the same message, which many mailboxes show once.
        message["Message-ID"] = f"<{mail_id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text())
        message.add_alternative(letter.html(), subtype="html")
        message["Content-Language"] = letter.language
        return message


def _is_for_good(failure: Exception) -> bool:
    """Whether it is this letter or its address that the server refuses, and not us or just now."""
    match failure:
        case aiosmtplib.SMTPRecipientsRefused(recipients=refused):
            return all(each.code >= _FOR_GOOD for each in refused)
        case aiosmtplib.SMTPDataError(code=code):
            return code >= _FOR_GOOD
        case _:
            return False

"""Provisioning: how a seed gets into an authenticator app, as an address and as a picture of it."""

import base64
import io
from dataclasses import dataclass
from urllib.parse import urlsplit

import segno
from pyotp import TOTP


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person is shown once: the seed to type, and the address as a QR code to scan."""

    secret: str
    uri: str
    qr_svg: str
    qr_png: str
    """In base64."""


def shown(seed: str, email: str, site: str) -> Shown:
    """Everything that an app can be told by."""
    uri = TOTP(seed).provisioning_uri(name=email, issuer_name=f"Self-service {urlsplit(site).hostname}")
    picture, png = segno.make(uri, micro=False), io.BytesIO()
    picture.save(png, kind="png", scale=5)
    svg = picture.svg_inline(scale=5, omitsize=False)
    return Shown(seed, uri, svg, base64.b64encode(png.getvalue()).decode())

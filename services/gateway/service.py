"""Wiring of the gateway: the only file that knows all the others; no logic."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

from fastapi import Depends, FastAPI, Request
from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.responses import Response
from starlette.types import ASGIApp

from services.gateway import api, contract, refusing
from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.adapters.services import HttpClient, Service
from services.gateway.limits import Buckets
from services.gateway.outside import Outside
from services.gateway.proxy import Proxy
from services.gateway.public import public
from services.gateway.refusing import NotOverHttp
from services.gateway.routing import Routes
from services.gateway.seals import Seals
from shared.http import problems
from shared.http.card_numbers import must_carry_no_card_number
from shared.http.denied import must_name_its_rows
from shared.http.edge import Edge

NAME = "gateway"
STRONG = 32
"""The fewest characters of a secret in production."""


class Settings(BaseSettings):
    """What the gateway is told."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = 8080
    auth_url: str = "http://127.0.0.1:8101"
    """Where auth is; several replicas are separated by commas. So for the others."""
    company_url: str = "http://127.0.0.1:8102"
    products_url: str = "http://127.0.0.1:8103"
    profiles_url: str = "http://127.0.0.1:8104"
    audit_url: str = "http://127.0.0.1:8105"
    seen_key: SecretStr
    """Under which what was seen is sealed; the same for every replica."""
    seen_key_before: SecretStr | None = None
    """The key that `seen_key` has replaced; what was sealed under it is still opened."""
    contracts_folder: Path = contract.FOLDER
    public_origin: str | None = None
    """Origin of our own pages, such as `https://self.example.com`; without it, whatever host a request names."""
    trusted_proxies: int = 0
    """How many proxies of ours stand in front and add to `X-Forwarded-For`."""
    login_codes_per_minute: int = 20
    """Codes that one address may ask for."""
    login_tries_per_minute: int = 60
    """Codes that one address may try."""
    requests_per_second: int = 200
    """Of one session."""
    mail_folder: Path | None = None
    """Where mails are caught; in development only."""

    @model_validator(mode="after")
    def production_has_strong_secrets(self) -> Self:
        """What a person can remember or guess is for development only."""
        keys = {"SEEN_KEY": self.seen_key, "SEEN_KEY_BEFORE": self.seen_key_before}
        weak = [name for name, key in keys.items() if key is not None and len(key.get_secret_value()) < STRONG]
        if self.environment == "production" and weak:
            raise ValueError(f"{' and '.join(weak)} must have at least {STRONG} characters")
        return self

    def seals(self) -> Seals:
        """What was seen, sealed under the key, and opened under the one before it, too."""
        before = self.seen_key_before
        return Seals(self.seen_key.get_secret_value(), before.get_secret_value() if before else None)

    def addresses(self, service: str) -> list[str]:
        """Where the replicas of a service are."""
        return [address.strip().rstrip("/") for address in str(getattr(self, f"{service}_url")).split(",")]


def build(settings: Settings, documents: Mapping[str, contract.Document] | None = None) -> tuple[ASGIApp, FastAPI]:
    """The gateway for the server, and the part of it behind the proxy, which also has the public OpenAPI document.

    `documents` are the services' by name; without them, those that are kept in the folder of contracts. It starts only
    when every service has one.
    """
    documents = contract.load(settings.contracts_folder) if documents is None else documents
    http = HttpClient()
    services = {name: Service(name, settings.addresses(name), http) for name in contract.SERVICES}

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        contract.must_be_whole(documents)
        async with http:
            yield

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(app)
    app.add_exception_handler(NotOverHttp, _refused)
    own = _include(app, settings, services, documents)
    proxy = Proxy(
        app,
        routes=Routes(contract.operations(documents)),
        services=services,
        tokens=AccessTokens(services["auth"]),
        seals=settings.seals(),
        origin=settings.public_origin,
        requests=Buckets(per_second=settings.requests_per_second, burst=2 * settings.requests_per_second),
        own=own,
    )
    return Outside(Edge(proxy)), app


def _include(
    app: FastAPI, settings: Settings, services: Mapping[str, Service], documents: Mapping[str, contract.Document]
) -> Collection[tuple[str, str]]:
    """The gateway's own routes; answers method and path of those that are part of the API."""
    codes, tries = settings.login_codes_per_minute, settings.login_tries_per_minute
    app.include_router(
        api.login(
            services["auth"],
            settings.seals(),
            codes=Buckets(per_second=codes / 60, burst=codes),
            tries=Buckets(per_second=tries / 60, burst=tries),
            trusted_hops=settings.trusted_proxies,
        ),
        dependencies=[Depends(must_name_its_rows), Depends(must_carry_no_card_number)],
    )
    described = app.openapi()
    own = frozenset((method.upper(), path) for path, method, _ in contract.described(described))
    whole = public(documents, described)
    setattr(app, "openapi", lambda: whole)  # noqa: B010 (what FastAPI documents for another description)
    app.include_router(api.description(whole))
    app.include_router(api.health(services.values()))
    if settings.environment == "development" and settings.mail_folder is not None:
        from services.gateway import development  # noqa: PLC0415 (its parts are not installed in production)

        app.include_router(development.routes(settings.mail_folder))
    return own


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, NotOverHttp)  # noqa: S101 (registered for it)
    return refusing.answer(refused, request.state.request_id)

"""What only development has, and production never."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import world_of


def caught(folder: Path, number: int, to: str, subject: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    mail = {
        "id": f"{number:020d}-0123abcd",
        "time": "2026-03-01T12:00:00+00:00",
        "sender": "selfservice@example.com",
        "to": [to],
        "subject": subject,
        "text": text,
        "html": "",
        "headers": [],
    }
    (folder / f"{mail['id']}.json").write_text(json.dumps(mail))


def test_caught_mails_are_shown_newest_first_and_escaped(contracts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    with world_of(contracts, mail_folder=folder) as world:
        assert world.http.get("/dev/mail.json").json() == []
        caught(folder, 1, "anna@nordlys.example.com", "Your login code", "123456")
        caught(folder, 2, "dora@nordlys.example.com", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>")
        mails = world.http.get("/dev/mail.json").json()
        assert [mail["subject"] for mail in mails] == ["<script>alert(1)</script>", "Your login code"]
        (of_anna,) = world.http.get("/dev/mail.json", params={"to": "Anna@nordlys.example.com"}).json()
        assert (of_anna["text"], of_anna["to"]) == ("123456", ["anna@nordlys.example.com"])
        page = world.http.get("/dev/mail")
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text
        assert "<img" not in page.text
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers.get_list("content-security-policy") == [policy]


def test_development_begins_at_a_page_with_links(contracts: Path, tmp_path: Path) -> None:
    with world_of(contracts, mail_folder=tmp_path) as world:
        page = world.http.get("/")
        assert page.status_code == 200
        for link in ("/api/v1/openapi.json", "/dev/mail"):
            assert f'href="{link}"' in page.text
            assert world.http.get(link).status_code == 200


@pytest.mark.parametrize(
    "told", [{"environment": "production"}, {"environment": "production", "mail_folder": "mail"}, {}]
)
def test_production_and_a_gateway_without_a_mail_folder_have_none_of_it(
    contracts: Path, tmp_path: Path, told: dict[str, str]
) -> None:
    with world_of(contracts, **told) as world:
        for path in ("/", "/dev/mail", "/dev/mail.json", "/docs", "/openapi.json"):
            assert world.http.get(path).status_code == 404, path


def test_production_needs_no_part_of_the_local_system() -> None:
    code = (
        "import sys; from services.gateway.service import Settings, build; "
        "build(Settings(environment='production', mail_folder='mail', seen_key=32 * 'k')); "
        "sys.exit(any(name.split('.')[0] in {'deploy', 'aiosmtpd'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0

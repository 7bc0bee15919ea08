"""What the Dockerfile takes into an image; that one builds and answers is seen by deploy/build-and-smoke.sh."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from services.rooms import SERVICES

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_every_service_has_an_extra_to_install():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*SERVICES, "cli"} <= set(extras)


def test_the_files_that_the_image_copies_are_let_through_and_nothing_else_is():
    ignored, *allowed = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith(("#", "**"))
    ]
    assert ignored == "*"
    copied = {
        source.split("/")[0] if source.startswith(("shared", "services")) else source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert {line.removeprefix("!") for line in allowed} == copied


def test_the_image_runs_as_a_user_of_its_own():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]

"""What the Dockerfile takes into an image; that one builds and answers is seen by deploy/build-and-smoke.sh."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.rooms import SERVICES

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
#: Opens a service in a fresh Python that finds no module of `foreign`.
OPEN = """
import sys
root, packages, foreign, service = sys.argv[1:]

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign.split(","):
            raise ModuleNotFoundError(f"{name} is not in this image", name=name)

sys.path[:0] = [root, packages]
sys.meta_path.insert(0, Absent())
import services.cli.main
from services import rooms
rooms.open_handlers(service)
rooms.router(service)
"""


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


@pytest.fixture(scope="session")
def extras() -> dict[str, list[str]]:
    """The requirements of each extra in pyproject.toml; "" has those of every service."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def _installed(requirements: list[str], extras: dict[str, list[str]]) -> set[str]:
    """The distributions that pip would install for `requirements`, by their normal names."""
    found: set[str] = set()
    waiting = [wanted for wanted in map(Requirement, requirements) if not wanted.marker or wanted.marker.evaluate()]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name == "dossier":
            waiting += [Requirement(text) for extra in wanted.extras for text in extras[extra]]
            continue
        key = f"{name}[{','.join(sorted(wanted.extras))}]"
        if key in found:
            continue
        found |= {name, key}
        needs = [Requirement(text) for text in metadata.requires(name) or []]
        waiting += [
            need
            for need in needs
            if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras})
        ]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_opens_with_its_own_files_and_its_own_extra_alone(service, extras, tmp_path):
    """What the image of the service holds is copied here, and only what pip installs there can be imported."""
    for source, target in re.findall(r"^COPY (?!--from)(\S+) /app/(\S+)$", DOCKERFILE, re.MULTILINE):
        for path in ROOT.glob(source.replace("${SERVICE}", service)):
            place = tmp_path / target.replace("${SERVICE}", service)
            place.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, dirs_exist_ok=True)
            else:
                shutil.copy(path, place)
    allowed = {"dossier"} | _installed([*extras[""], *extras[service], *extras["cli"]], extras)
    foreign = [
        module
        for module, names in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & allowed
    ]
    # -S: the checkout that is installed for development must not be seen.
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            OPEN,
            tmp_path,
            sysconfig.get_path("purelib"),
            ",".join(foreign),
            service,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_later_only_what_its_extra_installs(service, extras):
    """Some imports wait inside functions because they are slow; the image must have those too."""
    # Fine-tuning runs as a job on a GPU node, from an environment of its own.
    later = extras["train-gpu"] if service == "train" else []
    allowed = {"dossier"} | _installed([*extras[""], *extras[service], *extras["cli"], *later], extras)
    distributions = metadata.packages_distributions()
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        for path in (ROOT / "services" / service).rglob("*.py")
        if not path.stem.startswith(("bench", "evaluate"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if (makers := distributions.get(name.partition(".")[0]))
        if not {canonicalize_name(maker) for maker in makers} & allowed
    ]
    assert not missing, f"not in the extra {service!r}: {missing}"

"""What docker-compose.yml keeps to; its schema is checked by `make lint`."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from services.rooms import SERVICES
from shared import settings
from shared.store import S3Store, store_from

ROOT = Path(__file__).parent.parent.parent


def test_every_service_has_an_api_and_a_worker_that_wait_for_every_migration(compose):
    services = compose["services"]
    for service in SERVICES:
        assert services[f"{service}-api"]["command"][:2] == ["api", service]
        assert services[f"{service}-worker"]["command"][:2] == ["worker", service]
        assert services[f"{service}-migrate"]["command"] == ["migrate", service]
        for role in ("api", "worker"):
            waits = services[f"{service}-{role}"]["depends_on"]
            assert waits[f"{SERVICES[-1]}-migrate"] == {"condition": "service_completed_successfully"}
    for before, after in itertools.pairwise(SERVICES):
        assert f"{before}-migrate" in services[f"{after}-migrate"]["depends_on"]


def test_every_container_is_confined(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert service["pids_limit"], name
        assert not {"privileged", "network_mode", "pid", "ipc"} & set(service), name
        assert not any("docker.sock" in str(volume) for volume in service.get("volumes", [])), name


def test_only_the_database_keeps_capabilities_for_its_entry_point(compose):
    assert [name for name, service in compose["services"].items() if "cap_add" in service] == ["database"]


def test_the_gateway_alone_is_reached_from_outside_and_only_from_this_machine(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])
    open_networks = {name for name, network in compose["networks"].items() if not network.get("internal")}
    assert [name for name, s in compose["services"].items() if open_networks & set(s["networks"])] == ["gateway"]


def test_parsers_cannot_reach_the_generation_server(compose):
    assert compose["services"]["ingest-worker"]["networks"] == ["storage"]


def test_every_image_has_a_version(compose):
    for name, service in compose["services"].items():
        tag = service["image"].rpartition("/")[2].partition(":")[2]
        assert tag, name
        assert "latest" not in tag, name


def test_no_password_stands_in_the_file(compose):
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
            elif "PASSWORD" in variable or variable.endswith(("_KEY", "_URL")):
                assert value is None, f"{name}: {variable}"


def test_everything_that_runs_on_has_a_health_check_and_a_restart(compose):
    for name, service in compose["services"].items():
        if name.endswith("-migrate"):
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_secrets_are_made_once_and_fit_the_settings(tmp_path, compose):
    script = ROOT / "deploy" / "make-secrets.sh"
    subprocess.run(["bash", script, tmp_path / "secrets"], check=True, capture_output=True)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(first) == set(compose["secrets"])
    subprocess.run(["bash", script, tmp_path / "secrets"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700

    environment = compose["services"]["ingest-api"]["environment"]
    files = {name: value for name, value in environment.items() if name.endswith("_FILE")}
    here = {name: value.replace("/run/secrets", str(tmp_path / "secrets")) for name, value in files.items()}
    read = settings.load(here)
    assert read.database_url.get_secret_value().startswith("postgresql+psycopg://dossier:")
    assert read.broker_url.get_secret_value().endswith("@broker:6379/0")
    assert isinstance(store_from(read.resolved_store_url()), S3Store)

"""Check everything under which Dossier is deployed, without Docker and without a cluster.

    python -m tests.deployment.lint

Real linters, each on what it knows: hadolint on the Dockerfile, the compose schema on docker-compose.yml, yamllint on
every YAML file, Helm's own strict lint on the chart, and the Kubernetes API schemas of the oldest and the newest
supported version on what the chart renders, with the default values and with every file of helm/dossier/ci/. What no
linter knows (every pod non-root, one origin, and the like) is in the tests beside this file.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "dossier"
#: The oldest version whose schemas are at hand and that the chart supports, and the newest.
KUBERNETES = ("1.27", "1.37")
#: From Helm's lint: 0 unknown, 1 info, 2 warning, 3 error.
WARNING = 2


def commands() -> Iterator[list[str]]:
    """The linters that are programs, each with its arguments."""
    tools = Path(sys.executable).parent
    plain_yaml = [ROOT / "docker-compose.yml", *CHART.glob("*.yaml"), *CHART.glob("ci/*.yaml")]
    yield [str(tools / "hadolint"), str(ROOT / "Dockerfile")]
    yield [
        str(tools / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml"),
    ]  # fmt: skip
    yield [str(tools / "check-jsonschema"), "--check-metaschema", str(CHART / "values.schema.json")]
    yield [str(tools / "yamllint"), "--strict", "--config-file", str(ROOT / "deploy" / "yamllint.yaml"),
           *map(str, plain_yaml)]  # fmt: skip


def values_matrix() -> dict[str, dict[str, Any]]:
    """The values that the chart is checked with, by the name of their file; "default" has none of its own."""
    given = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CHART.glob("ci/*.yaml"))}
    return {"default": {}, **given}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The manifests that the chart makes of `values`; raises HelmError where it refuses them."""
    with Chart.load(CHART) as chart:
        files = chart.render(values, name="desk", namespace="insurer")
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def chart_faults() -> Iterator[str]:
    """What is wrong with the chart, one sentence each."""
    checked: set[str] = set()
    for name, values in values_matrix().items():
        report = lint(CHART, values, strict=True, namespace="insurer")
        yield from (f"{name}: {m['path']}: {m['error']}" for m in report["messages"] if m["severity"] >= WARNING)
        try:
            manifests = rendered(values)
        except HelmError as refused:
            yield f"{name}: {refused}"
            continue
        for manifest in manifests:
            # The same manifest comes out of most values; its schema check takes far longer than the rest.
            if (text := yaml.safe_dump(manifest)) not in checked:
                checked.add(text)
                yield from (f"{name}: {fault}" for fault in _schema_faults(manifest))


def _schema_faults(manifest: dict[str, Any]) -> Iterator[str]:
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as fault:
            place = ".".join(str(part) for part in getattr(fault, "path", ()))
            who = f"{manifest['kind']}/{manifest['metadata']['name']}"
            yield f"{who} does not fit Kubernetes {version}: {place}: {fault.message}"


def command_faults() -> Iterator[str]:
    """What the programs find, in their own words."""
    for command in commands():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{Path(command[0]).name}: {done.stdout}{done.stderr}"


def main() -> None:
    """Run every check; silent where all is well, else exit with 1 and what is wrong on stderr."""
    faults = [*command_faults(), *chart_faults()]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()

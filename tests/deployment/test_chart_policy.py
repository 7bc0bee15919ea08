"""What every pod of the chart keeps to, with every set of values in helm/dossier/ci/."""

from __future__ import annotations

import pytest
from helm_python.chart import Chart
from helm_python.errors import HelmError

from services.rooms import SERVICES


def by_kind(manifests, kind):
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def test_every_service_has_an_api_a_worker_and_a_migration(manifests):
    deployments, jobs = by_kind(manifests, "Deployment"), by_kind(manifests, "Job")
    for service in SERVICES:
        assert f"desk-dossier-{service}-api" in deployments
        assert f"desk-dossier-{service}-worker" in deployments
        assert f"desk-dossier-{service}-migrate" in jobs


def test_migrations_run_before_new_pods_and_in_the_order_of_the_rooms(manifests):
    jobs = by_kind(manifests, "Job").values()
    assert all(job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade" for job in jobs)
    ordered = sorted(jobs, key=lambda job: int(job["metadata"]["annotations"]["helm.sh/hook-weight"]))
    assert [job["spec"]["template"]["spec"]["containers"][0]["args"][1] for job in ordered] == list(SERVICES)


def test_no_pod_runs_as_root_or_holds_a_cluster_token(pods):
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name


def test_no_container_can_gain_privileges_or_write_its_image(containers):
    for name, container in containers.items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_memory_is_limited_to_what_is_requested(containers):
    for name, container in containers.items():
        resources = container["resources"]
        assert resources["limits"]["memory"] == resources["requests"]["memory"], name
        assert resources["requests"]["cpu"], name


def test_no_volume_grows_without_bound_and_none_is_of_the_node(pods):
    for name, pod in pods.items():
        for volume in pod.get("volumes", []):
            assert "hostPath" not in volume, name
            assert volume.get("emptyDir", {"sizeLimit": "1Gi"}).get("sizeLimit"), name


def test_every_image_has_a_version(containers):
    for name, container in containers.items():
        tag = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[2]
        assert tag not in ("", "latest"), f"{name}: {container['image']}"


def test_liveness_readiness_and_startup_ask_different_things(manifests):
    for name, deployment in by_kind(manifests, "Deployment").items():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert "startupProbe" in container, name
        assert "livenessProbe" in container, name
        if container["name"] == "worker":
            assert "readinessProbe" not in container, name
            continue
        assert container["readinessProbe"] != container["livenessProbe"], name
    apis = {name: d for name, d in by_kind(manifests, "Deployment").items() if name.endswith("-api")}
    for name, deployment in apis.items():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", name
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", name


def test_every_deployment_of_ours_has_a_disruption_budget(manifests):
    budgets = by_kind(manifests, "PodDisruptionBudget")
    for name, deployment in by_kind(manifests, "Deployment").items():
        if not name.endswith("-tgi"):
            assert budgets[name]["spec"]["selector"] == deployment["spec"]["selector"]


def test_no_secret_is_made_by_the_chart_or_put_into_the_environment(manifests, containers):
    assert not by_kind(manifests, "Secret")
    for name, container in containers.items():
        for variable in container.get("env", []):
            assert "valueFrom" not in variable, name
            assert not ("URL" in variable["name"] and "@" in variable["value"]), name


def test_services_find_the_pods_that_they_are_for(manifests):
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in by_kind(manifests, "Deployment").values()]
    for name, service in by_kind(manifests, "Service").items():
        matching = [labels for labels in pods if service["spec"]["selector"].items() <= labels.items()]
        assert len(matching) == 1, name


def test_without_a_policy_that_opens_it_nothing_talks_to_anything(manifests, request):
    policies = by_kind(manifests, "NetworkPolicy")
    if "smallest" in request.node.name:
        assert not policies, "these values switch them off"
        return
    deny = policies["desk-dossier-deny"]["spec"]
    assert sorted(deny["policyTypes"]) == ["Egress", "Ingress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    for kind in ("Deployment", "Job"):
        for name, manifest in by_kind(manifests, kind).items():
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert deny["podSelector"]["matchLabels"].items() <= labels.items(), name


def test_only_services_that_generate_reach_the_generation_server(manifests):
    policies = by_kind(manifests, "NetworkPolicy")
    for name, deployment in by_kind(manifests, "Deployment").items():
        template = deployment["spec"]["template"]
        variables = {variable["name"] for variable in template["spec"]["containers"][0].get("env", [])}
        may = template["metadata"]["labels"].get("dossier/generation") == "true"
        assert not ("DOSSIER_GENERATION_URL" in variables and not may), name
        if "ingest" in name:
            assert not may, "parsers read strangers' files and have no business there"
    for policy in policies.values():
        for rule in policy["spec"].get("egress", []):
            if policy["metadata"]["name"].endswith("-generation"):
                assert policy["spec"]["podSelector"]["matchExpressions"][0]["values"] == ["true"]
                assert rule["ports"]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"imgae": {}}, "imgae"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"services": {"billing": {"digest": "", "generation": False, "api": {}, "worker": {}}}}, "billing"),
        ({"services": {"chat": {"api": {"replica": 3}}}}, "replica"),
        ({"services": {"chat": {"api": {"concurrency": 3}}}}, "concurrency"),
        ({"secrets": {"database": {"existingSecret": ""}}}, "existingSecret"),
        ({"generation": {"url": "tgi:8080"}}, "url"),
        ({"tgi": {"gpus": 0}}, "gpus"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_with_a_mistake_are_refused_by_name(deploy_lint, values, place):
    with Chart.load(deploy_lint.CHART) as chart, pytest.raises(HelmError, match=place):
        chart.render(values, name="desk")

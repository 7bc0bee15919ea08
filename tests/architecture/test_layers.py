"""Who may import whom; docs/architecture.md has the rules. Each failure names the file, the line and the import."""

from __future__ import annotations

#: What at least two services need, and nothing else. A new name here is a decision: say in docs/decisions/ why.
SHARED = {
    "access",
    "database",
    "desk",
    "documents",
    "encoder",
    "errors",
    "events",
    "facts",
    "generation",
    "generation_openai",
    "generation_tgi",
    "http",
    "jobs",
    "leases",
    "ledger",
    "logs",
    "migrations",
    "queues",
    "reconciling",
    "registry",
    "scoring",
    "settings",
    "store",
}
#: The rooms' doors: the only modules of a service that may see the web, the queue, the database and the settings.
DOORS = {"api", "tasks", "tables", "settings", "migrations", "evaluate", "bench"}
#: What sees several services.
ROOFS = {"services.cli", "services.embedded", "services.measure", "services.rooms"}


def test_imports_are_absolute_so_that_a_line_says_whom_it_needs(modules):
    found = [f"{m.path}:{line} imports {name}" for m in modules for name, line in m.imports if name.startswith(".")]
    assert not found, "\n".join(found)


def test_no_service_imports_another(modules):
    services = {module.service for module in modules} - {None}
    found = [
        wrong
        for module in modules
        if module.service
        for wrong in module.imported_from(*(f"services.{other}" for other in services - {module.service}))
    ]
    assert not found, "services talk over queues and published views only:\n" + "\n".join(found)


def test_no_service_imports_what_sees_several_services(modules):
    found = [wrong for module in modules if module.service for wrong in module.imported_from(*ROOFS)]
    assert not found, "\n".join(found)


def test_shared_imports_no_service(modules):
    found = [
        wrong
        for module in modules
        if module.name.split(".")[0] == "shared"
        for wrong in module.imported_from("services")
    ]
    assert not found, "shared/ stands below the services:\n" + "\n".join(found)


def test_the_list_of_shared_modules_is_closed(modules):
    there = {module.name.split(".")[1] for module in modules if module.name.startswith("shared.")}
    assert there <= SHARED, f"not on the list: {sorted(there - SHARED)}; does it belong to one service?"


def test_only_the_queue_knows_celery(modules):
    found = [
        wrong
        for module in modules
        if module.name != "shared.queues"
        for wrong in module.imported_from("celery", "kombu", "billiard")
    ]
    assert not found, "use shared/queues.py:\n" + "\n".join(found)


def test_domain_modules_see_neither_web_nor_queue_nor_database_nor_settings(modules):
    outside = (
        "fastapi", "starlette", "celery", "kombu", "sqlalchemy", "psycopg", "alembic", "pydantic_settings",
        "shared.settings", "shared.queues", "shared.http", "shared.access", "shared.database", "shared.desk",
    )  # fmt: skip
    found = [
        wrong
        for module in modules
        if module.service and len(module.name.split(".")) > 2 and module.name.split(".")[2] not in DOORS
        for wrong in module.imported_from(*outside)
    ]
    assert not found, "plain values in, plain values out; the door is api.py or tasks.py:\n" + "\n".join(found)


def test_the_environment_is_read_in_settings_alone(modules):
    found = [
        wrong
        for module in modules
        if module.service and module.name.split(".")[-1] != "settings"
        for wrong in module.imported_from("os.environ", "os.getenv", "pydantic_settings")
    ]
    assert not found, "read it in settings.py and pass a plain value on:\n" + "\n".join(found)

"""Print a new admin key, for an installation that nobody can sign in to yet.

    docker compose exec review-api python3 /app/first-key.py
    kubectl exec deployment/dossier-review-api -- python3 /app/first-key.py

Makes the workspace `default` where there is none. The key is printed this once and kept only as a hash; whoever may
run this may read the database anyway. Further keys come from the pages and from POST /v1/keys.
"""

from shared import access, settings
from shared.database import engine_from


def main() -> None:
    """Make the key and print it."""
    engine = engine_from(settings.load().database_url.get_secret_value())
    with engine.begin() as connection:
        existing = access.workspaces(connection)
        workspace = existing[0].id if existing else access.add_workspace(connection, "default")
        key = access.issue(connection, workspace, "first key", "admin")[1]
    engine.dispose()
    print(key)


if __name__ == "__main__":
    main()

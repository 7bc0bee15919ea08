import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click import Context, Group
from typer.main import get_command

from services.classify import taxonomy
from services.cli.main import app
from services.extract import schema
from services.extract.settings import ExtractSettings
from services.generate.settings import GenerateSettings
from services.ingest.settings import IngestSettings
from services.review.settings import ReviewSettings
from services.train.settings import TrainSettings
from shared.settings import Settings

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if line.startswith("dossier ")]


@pytest.mark.parametrize("line", commands())
def test_the_command_line_takes_every_command_of_the_guide(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    for word in words:
        if word.endswith((".jsonl", ".json", ".pdf")):
            (tmp_path / word).touch()
    command = get_command(app)
    context: Context | None = None
    while isinstance(command, Group):
        context = Context(command, parent=context)
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context("dossier", words, parent=context)


def test_the_yaml_of_the_guide_is_taken_as_it_is() -> None:
    tree, fields = blocks("yaml")
    assert taxonomy.from_yaml(tree).levels
    assert [one.name for one in schema.parse_schemas(fields)] == ["Claims"]
    assert yaml.safe_load(tree)["nodes"][0]["name"] == yaml.safe_load(fields)["schemas"][0]["path"][0]


def test_the_labels_of_the_guide_are_json_lines() -> None:
    (labels,) = blocks("json")
    records = [json.loads(line) for line in labels.splitlines()]
    assert all({"file", "path"} <= set(record) for record in records)


def test_every_setting_of_the_guide_exists() -> None:
    text = GUIDE.read_text()
    known = {
        f"{settings.model_config.get('env_prefix')}{name}".upper()
        for settings in (Settings, IngestSettings, ExtractSettings, ReviewSettings, TrainSettings, GenerateSettings)
        for name in settings.model_fields
    } | {"DOSSIER_URL", "DOSSIER_API_KEY"}
    assert set(re.findall(r"DOSSIER_[A-Z_]+[A-Z]", text)) <= known


def test_links_of_the_guide_lead_somewhere() -> None:
    text = GUIDE.read_text()
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("measurements.md"):
            assert (GUIDE.parent / target.split("#")[0]).exists(), target

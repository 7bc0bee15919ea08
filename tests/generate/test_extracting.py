"""Fields over the contract: the generated engine of extract asks the server, and the grammar holds."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.extract.evaluate import reading_from_pages
from services.extract.generated import generated_in, grammar_for
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from shared.generation import generator_from

FIELDS = (FieldSpec(name="policy", type="identifier"), FieldSpec(name="start", type="date"))


@pytest.fixture(scope="module")
def roomy_url(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model with room for a whole question: its positions have no weights."""
    import uvicorn

    from services.generate.api.application import application
    from services.generate.language_model import language_model_from
    from services.generate.settings import GenerateSettings

    folder = tmp_path_factory.mktemp("roomy") / "model"
    shutil.copytree(model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
    app = application(language_model_from(folder, "cpu", "tiny"), GenerateSettings())
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=20))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    app.state.house.scheduler.stop(20)
    listening.close()


def test_even_a_model_that_knows_nothing_answers_in_the_schema_and_is_not_believed(roomy_url):
    words = [["Police Nr. 4711 gilt ab 01.02.2026", 50, 50, 300, 60]]
    reading = reading_from_pages([{"width": 595, "height": 842, "words": words}])
    generator = generator_from(roomy_url, "tgi", "tgi", None, 60)
    answer = generator.generate("Police", max_tokens=1_000, grammar=grammar_for(FIELDS))
    assert set(json.loads(answer.text)) == {"policy", "start"}
    found = generated_in(Searched.of(reading), FIELDS, generator)
    assert set(found) == {"policy", "start"}
    for value in itertools.chain(*found.values()):
        assert (value.place is None) == (value.grounding == "ungrounded")

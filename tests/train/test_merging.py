from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.usefixtures("fine_tuning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory, all_records) -> Path:
    """A QLoRA adapter that has learned something."""
    from services.train.qlora import Recipe, train

    recipe = Recipe(
        base=base, rank=8, length=96, steps=40, learning_rate=1e-2, device="cpu", gradient_checkpointing=False
    )
    made = train(recipe, all_records, tmp_path_factory.mktemp("run"))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def packs(base, all_records):
    from transformers import AutoTokenizer

    from services.train.instructions import examples_from, packs_from

    return packs_from(examples_from(all_records, AutoTokenizer.from_pretrained(base), 96), 96, seed=0)


@pytest.fixture(scope="module")
def merged(base, adapter, tmp_path_factory) -> Path:
    from services.train.merging import merge

    return merge(base, adapter, tmp_path_factory.mktemp("merged") / "model", double=True, card="# Tuned\n")


def test_the_merged_model_is_the_tuned_one(base, adapter, merged, packs):
    from services.train.merging import fidelity, prove

    measured = fidelity(base, adapter, merged, packs, double=True)
    prove(measured)
    assert measured.tokens == sum(pack.ids.numel() for pack in packs)
    assert 0 <= measured.mean_kl < 1e-4
    assert measured.agreement > 0.99


def test_merging_into_the_original_weights_is_another_model_and_is_refused(base, adapter, merged, packs, tmp_path):
    from services.train.merging import fidelity, merge, prove
    from shared.errors import Refused

    naive = merge(base, adapter, tmp_path / "naive", double=None, card="")
    right = fidelity(base, adapter, merged, packs, double=True)
    wrong = fidelity(base, adapter, naive, packs, double=True)
    assert wrong.mean_kl > 20 * right.mean_kl
    with pytest.raises(Refused, match="not the one that was tuned"):
        prove(wrong)


def test_training_and_merging_see_the_same_four_bit_weights(base):
    import torch
    from safetensors.torch import load_file

    from services.train.merging import _through_nf4
    from services.train.quantization import dequantized, quantized, quantized_layers

    original = load_file(base / "model.safetensors")
    for name, layer in quantized_layers(quantized(base, "cpu", double=True)):
        through = _through_nf4(original[f"{name}.weight"].float(), double=True)
        torch.testing.assert_close(through, dequantized(layer), rtol=0, atol=0)


def test_the_merged_folder_has_all_that_a_server_needs_and_no_quantization(merged):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = json.loads((merged / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "bfloat16"
    names = {path.name for path in merged.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "generation_config.json", "README.md"} <= names
    assert AutoTokenizer.from_pretrained(merged).chat_template
    assert str(AutoModelForCausalLM.from_pretrained(merged).dtype) == "torch.bfloat16"


def test_a_base_of_several_shards_is_merged_file_by_file(base, adapter, merged, tmp_path):
    from transformers import AutoModelForCausalLM

    from services.train.merging import merge

    sharded = tmp_path / "sharded"
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(sharded, max_shard_size="200KB")
    assert len(list(sharded.glob("*.safetensors"))) > 2
    out = merge(sharded, adapter, tmp_path / "out", double=True, card="")
    one, many = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (merged, out))
    assert all((one[name] == many[name]).all() for name in one)


def test_an_adapter_of_another_base_is_refused_and_leaves_nothing(base, adapter, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    from services.train.merging import merge
    from shared.errors import Refused

    foreign = tmp_path / "foreign"
    shutil.copytree(adapter, foreign)
    factors = load_file(adapter / "adapter_model.safetensors")
    moved = {name.replace("layers.1.", "layers.7."): factor for name, factor in factors.items()}
    save_file(moved, foreign / "adapter_model.safetensors")
    with pytest.raises(Refused, match=r"layers\.7"):
        merge(base, foreign, tmp_path / "out", double=True, card="")
    assert not (tmp_path / "out").exists()


def test_a_model_comes_back_from_the_store_as_it_went_in(merged, store, tmp_path):
    from services.train.publishing import fetched, manifest_of

    manifest = manifest_of(merged, store, "ws_1")
    assert manifest == manifest_of(merged, store, "ws_1")
    out = fetched(manifest, store, tmp_path / "back")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in merged.iterdir()
    }


def test_a_model_with_a_lost_or_changed_file_is_not_fetched(merged, store, tmp_path):
    from services.train.publishing import fetched, manifest_of
    from shared.errors import Unavailable

    manifest = manifest_of(merged, store, "ws_1")
    key = json.loads(manifest)["files"]["model.safetensors"]["key"]
    (store.folder / key).write_bytes(b"other")
    with pytest.raises(Unavailable, match="other bytes"):
        fetched(manifest, store, tmp_path / "back")
    store.delete(key)
    with pytest.raises(Unavailable, match=r"model\.safetensors is gone"):
        fetched(manifest, store, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_manifest_cannot_write_outside_of_its_folder(store, tmp_path):
    from services.train.publishing import fetched

    stored = store.put("ws_1", "models", b"x")
    with pytest.raises(ValueError, match="outside"):
        fetched(json.dumps({"files": {"../escaped": {"key": stored.key}}}).encode(), store, tmp_path / "back")

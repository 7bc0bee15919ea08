"""What a version must answer wherever it is served: written when it is made, checked before anybody sees it.

`canary.json` in the version's folder has the mean negative log-probability that the model gave to a few sentences, in
nats a token. They are our own sentences: no word of a document is in them.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import AutoTokenizer

from services.train.quantization import loaded

NAME = "canary.json"
SENTENCES = (
    "Le contrat d'assurance prend effet le 1er mars 2026 et couvre les dégâts des eaux.",
    "Der Versicherungsnehmer meldet einen Schaden am Fahrzeug und bittet um Erstattung der Kosten.",
    "Please confirm in writing that the policy has been cancelled and that no premium is due.",
)


def write_canary(folder: Path) -> Path:
    """Ask the model in `folder` and leave its answers there; the file."""
    model = loaded(folder, "cpu", torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    kept = {}
    for sentence in SENTENCES:
        ids = torch.tensor([tokenizer(sentence).input_ids])
        with torch.inference_mode():
            scores = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), dim=-1)
        kept[sentence] = -float(scores.gather(1, ids[0, 1:, None]).mean())
    path = folder / NAME
    path.write_text(json.dumps({"nats_per_token": kept}, ensure_ascii=False, indent=2))
    return path

"""Which family a model is of: by its whole name, wherever it lies."""

import json

import pytest

from components.retrieval.families import FAMILIES, family, of_folder

E5_CACHE = "/cache/hub/models--intfloat--e5-base-v2/snapshots/f52bf8ec8c7124536f0efb74aca902b2995e5bcd"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("hf://intfloat/e5-base-v2@f52bf8ec", "E5"),
        ("intfloat/multilingual-e5-small", "E5"),
        ("s3://models/bases/all-minilm-l6-v2@9535b2965dff26bd347113ed19ce50397790fef0", "SBERT"),
        ("/models/All-MPNet-Base-v2/", "SBERT"),
        ("/home/me/.cache/torch/sentence_transformers/BAAI_bge-base-en-v1.5/", "BGE"),
        (E5_CACHE, "E5"),
        ("BAAI/bge-m3", "BGE-M3"),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "Arctic Embed"),
        ("Snowflake/snowflake-arctic-embed-m-v2.0", "Arctic Embed 2"),
        ("nomic-ai/modernbert-embed-base", "ModernBERT Embed"),
        ("s3://models/base5", None),
        ("s3://models/e5-base-v2/finetuned", None),
        ("somebody/e5-base-v2-support", None),
        ("somebody_e5-base-v2", None),
        ("intfloat/multilingual-e5-large-instruct", None),
        ("intfloat/e5-mistral-7b-instruct", None),
        ("BAAI/bge-base-zh-v1.5", None),
        ("freelawproject/modernbert-embed-base_finetune_512", None),
        ("sentence-transformers/multi-qa-mpnet-base-dot-v1", None),
        ("", None),
    ],
)
def test_only_the_whole_name_says_the_family(reference, name):
    assert getattr(family(reference, {}), "name", None) == name


def test_the_configuration_counts_where_the_reference_says_nothing():
    assert family("s3://models/base@abc", {"_name_or_path": "intfloat/e5-base-v2"}).name == "E5"
    assert family("s3://models/gte-base@abc", {"_name_or_path": "intfloat/e5-base-v2"}).name == "GTE"
    assert family("s3://models/base@abc", {"_name_or_path": None}) is None


def test_an_artifact_is_known_by_where_it_came_from(tmp_path):
    folder = tmp_path / "e5-base-v2"
    folder.mkdir()
    assert of_folder(folder).name == "E5"
    (folder / "manifest.json").write_text(json.dumps({"facts": {"reference": "s3://models/bge-small-en-v1.5@abc"}}))
    assert of_folder(folder).name == "BGE"


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.name)
def test_a_family_says_where_it_is_published_and_nothing_impossible(one):
    assert one.source.startswith("https://")
    assert one.temperature is None or 0.005 <= one.temperature <= 0.1
    assert all(not prompt or prompt.endswith(": ") for prompt in (one.query, one.document))

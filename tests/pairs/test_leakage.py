"""The leakage proof as an artifact."""

from components.pairs import leakage
from components.pairs.leakage import Leakage
from components.store.artifact import Artifact, ArtifactWriter

FOUND = Leakage(40, 1, leaked=1, bands=[39, 0, 0, 1], ancestors="partly", coverage={"q2": 1.0, "q10": 0.125})


def test_a_proof_comes_back_as_it_was(tmp_path):
    leakage.write(FOUND, tmp_path / "proof", {"documents": "d"})
    artifact = Artifact.open(tmp_path / "proof", "leakage")
    assert Leakage.read(artifact) == FOUND
    assert artifact.manifest["inputs"] == {"documents": "d"}
    assert artifact.table("queries").column("query").to_pylist() == ["q10", "q2"]


def test_facts_say_nothing_of_single_queries(tmp_path):
    leakage.write(FOUND, tmp_path / "proof", {})
    facts = Artifact.open(tmp_path / "proof", "leakage").facts
    assert facts == FOUND.facts
    assert Leakage(**facts) == Leakage(40, 1, leaked=1, bands=[39, 0, 0, 1], ancestors="partly")


def test_a_proof_without_the_table_tells_no_coverage(tmp_path):
    with ArtifactWriter(tmp_path / "proof", "leakage") as out:
        out.facts |= FOUND.facts
    assert Leakage.read(Artifact.open(tmp_path / "proof", "leakage")).coverage == {}

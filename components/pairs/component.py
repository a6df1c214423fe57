"""KFP components `mine` and `harden`: from documents to pairs, judged queries, passages and the leakage proof."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def generation(state: str) -> int:
    """How often the sealed test was exchanged (`touchstone gate seal`).

    Args:
        state: The line's state.
    """
    from components.store.events import step

    with step("generation"):
        from components.pairs.reserve import generations
        from components.store.state import State

        return len(generations(State(state)))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def mine(
    state: str,
    generation: int,
    snapshot: str,
    documents: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    sources: list[str],
    passage_tokens: int,
    passage_overlap: int,
    config: dict[str, object],
    passages: dsl.Output[dsl.Dataset],
    pairs: dsl.Output[dsl.Dataset],
    judged: dsl.Output[dsl.Dataset],
    leakage: dsl.Output[dsl.Dataset],
) -> None:
    """Split the documents, mine training pairs, read the judged queries, seal the test.

    Args:
        state: The line's state; the split map and the sealed test live there.
        generation: How often the sealed test was exchanged: what was mined before is no answer for what is mined now.
        snapshot: The listing's digest.
        documents: What `gather` made.
        base: The base model, for its tokenizer and for what it was trained on.
        sources: Addresses that corpus ids of the qrels may be relative to.
        passage_tokens: The longest passage.
        passage_overlap: How much of a passage its next one repeats.
        config: The recipe's section `pairs`.
        passages: The retrieval corpus.
        pairs: Training pairs, and the headings that made none.
        judged: Judged queries of the dev side; of the sealed side only a digest.
        leakage: Matches between what trains and what judges.
    """
    from components.store.events import note, step

    with step("mine"):
        from pathlib import Path

        from components.pairs import mine as miner
        from components.pairs.config import PairsConfig

        out = miner.Outputs(Path(passages.path), Path(pairs.path), Path(judged.path), Path(leakage.path))
        checked = PairsConfig.parse(config, where="pairs")
        where = (state, snapshot, Path(documents.path), Path(base.path))
        found = miner.mine(*where, sources, (int(passage_tokens), int(passage_overlap)), checked, out)
        judging = f"{found.queries['dev']:,} dev and {found.queries['sealed']:,} sealed queries"
        note(f"{found.pairs:,} pairs, {found.passages:,} passages, {judging}", **vars(found))


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def harden(
    state: str,
    config: dict[str, object],
    raw: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    champion: dsl.Input[dsl.Model],
    pairs: dsl.Output[dsl.Dataset],
) -> None:
    """Drop the pairs whose question does not find its passage, and give the others hard negatives.

    Args:
        state: The line's state; vectors of passages are kept there.
        config: The recipe's section `pairs`.
        raw: The pairs that `mine` made.
        passages: The retrieval corpus.
        base: The base model.
        champion: The model in production, if there is one; the recipe says which of the two looks at the pairs.
        pairs: The pairs that train.
    """
    from components.store.events import note, step

    with step("harden"):
        from pathlib import Path

        from components.pairs.config import PairsConfig
        from components.pairs.harden import harden as mine_again
        from components.pairs.harden import looking

        checked = PairsConfig.parse(config, where="pairs")
        model = looking(Path(base.path), Path(champion.path), checked.negatives)
        found = mine_again(Path(raw.path), Path(passages.path), model, state, checked, Path(pairs.path))
        note(f"{found['pairs']:,} pairs, {found['negatives']:,} hard negatives", **found)


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def tell(
    documents: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    judged: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    leakage: dsl.Input[dsl.Dataset],
) -> None:
    """Tell what would train and what would judge, whether it was mined now or in an earlier run, and where it lies.

    Args:
        documents: What `gather` made.
        pairs: The pairs that would train.
        judged: The judged queries of the dev side, and how many are sealed.
        passages: The retrieval corpus.
        leakage: The leakage proof.
    """
    from components.store.events import note, step

    with step("tell"):
        from components.store.artifact import Artifact

        made = Artifact.open(pairs.path, "pairs")
        asked, proof = (Artifact.open(one.path, kind) for one, kind in ((judged, "judged"), (leakage, "leakage")))
        facts = {"pairs": made.facts, "judged": asked.facts | {"dev": asked.count("queries")}, "leakage": proof.facts}
        paths = {"pairs": pairs.path, "judged": judged.path, "passages": passages.path, "documents": documents.path}
        note("", digest=made.digest, paths=paths, **facts)

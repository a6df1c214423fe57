"""KFP component `mine`: from documents to pairs, judged queries, passages and the count of leakage."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def mine(
    state: str,
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
        snapshot: The listing's digest.
        documents: What `gather` made.
        base: The base model, for its tokenizer.
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

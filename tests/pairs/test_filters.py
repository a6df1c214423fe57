"""Filters for training pairs."""

from dataclasses import replace

import pytest

from components.pairs.config import FiltersConfig
from components.pairs.filters import keep, length
from components.pairs.pair import Dropped, Pair

PAIR = Pair("close the valve", "Turn it to the left until it stops.", "headings", "d1", "g1", 0, 35)
LANGUAGES = {"d1": "en", "d2": "de", "d3": ""}


def reasons(*pairs: Pair | Dropped, **config: object) -> list[str]:
    """Why each of them was dropped; nothing for those that were kept as they are."""
    found = list(keep(pairs, LANGUAGES, FiltersConfig(**config)))
    assert len(found) == len(pairs)
    for one, given in zip(found, pairs, strict=True):
        same = (one.miner, one.document, one.anchor) == (given.miner, given.document, given.anchor)
        assert one == given if isinstance(one, Pair) else same
    return [one.reason if isinstance(one, Dropped) else "" for one in found]


@pytest.mark.parametrize(
    ("anchor", "count"),
    [
        ("close the valve", 3),
        ("how-to: TCP/IP, C++", 3),
        ("  ?! -- ", 0),
        ("बैंक खाता कैसे खोलें", 4),
        ("밸브를 잠그는 방법", 3),
        ("如何关闭阀门", 3),
        ("阀", 1),
        ("S3 のバケットを作る", 5),
        ("วิธีปิดวาล์ว", 6),
        ("-" * 100_000, 0),
    ],
)
def test_words_are_counted_as_people_see_them(anchor, count):
    assert length(anchor) == count


def test_anchors_too_short_or_too_long_are_dropped():
    pairs = [replace(PAIR, anchor=" ".join(f"w{n}" for n in range(size))) for size in (1, 2, 4, 5)]
    assert reasons(*pairs, min_words=2, max_words=4) == ["TOO_SHORT", "", "", "TOO_LONG"]


def test_only_wanted_languages_train():
    pairs = [replace(PAIR, anchor=f"close {name}", document=name) for name in LANGUAGES]
    assert reasons(*pairs) == ["", "", ""]
    assert reasons(*pairs, languages=["en"]) == ["", "LANGUAGE", "LANGUAGE"]


def test_a_pair_from_outside_says_its_language_itself():
    english = "The kettle has to be descaled with vinegar at least once in every month of the year."
    german = "Der Wasserkocher muss mindestens einmal in jedem Monat mit Essig entkalkt werden."
    outside = replace(PAIR, document="", group="", miner="general")
    pairs = [replace(outside, positive=text) for text in (english, german)]
    assert reasons(*pairs, languages=["en"]) == ["", "LANGUAGE"]


LONG = "the red valve must be closed first in any case before you leave"


@pytest.mark.parametrize(
    ("anchor", "positive", "dropped"),
    [
        ("the red valve must be closed first", f"Please note: {LONG}.", True),
        ("The red valve MUST be closed, first?", f"Please note: {LONG}.", True),
        ("why must the red valve be closed first", f"Please note: {LONG}.", False),
        (LONG.removesuffix("leave") + "go", LONG, True),
        ("then " + LONG.removesuffix("leave") + "go", LONG, False),
        ("the red valve must", f"Please note: {LONG}.", False),
        ("the red valve must be close", f"Please note: {LONG}.", False),
        ("list things in billing group", "You need the permission ListThingsInBillingGroup.", False),
        ("必须先关闭红色阀门", "请注意：必须先关闭红色阀门。", True),
        ("为何必须先关闭红色阀", "请注意：必须先关闭红色阀门。", False),
    ],
    ids=[
        "a run of the text",
        "written otherwise",
        "its words in another order",
        "all but one word of 13",
        "all but two words of 13",
        "four words",
        "half a word",
        "an identifier that is named",
        "Chinese",
        "a question in Chinese",
    ],
)
def test_copied_text_is_no_question(anchor, positive, dropped):
    assert reasons(replace(PAIR, anchor=anchor, positive=positive)) == ["COPIED_TEXT" if dropped else ""]


def test_how_much_may_be_copied_is_the_recipes():
    whole = replace(PAIR, anchor=LONG, positive=LONG)
    half = replace(PAIR, anchor="the red valve must stay open now", positive=LONG)
    assert reasons(half, max_copied=0.5) == ["COPIED_TEXT"]
    assert reasons(half, max_copied=4 / 7) == [""], "just as large a part is allowed"
    assert reasons(whole, max_copied=1.0) == [""]


OTHER = replace(PAIR, positive="Use the tool with the long handle.")


@pytest.mark.parametrize(
    ("second", "dropped"),
    [
        (replace(PAIR, anchor="Close THE valve!"), True),
        (replace(PAIR, document="d2", positive="Turn it to the left, until it stops"), True),
        (replace(PAIR, document="d2", miner="logs"), True),
        (replace(OTHER, miner="logs"), True),
        (OTHER, False),
        (replace(OTHER, miner="logs", document="d2"), False),
        (replace(PAIR, anchor="close a valve", miner="logs"), False),
    ],
    ids=[
        "all of it",
        "anchor and positive",
        "anchor and positive of another source",
        "anchor and document of another source",
        "another place in the document",
        "another document",
        "another anchor",
    ],
)
def test_what_an_earlier_source_has_said_is_dropped(second, dropped):
    assert reasons(PAIR, second) == ["", "DUPLICATE" if dropped else ""]


def test_pairs_from_outside_have_no_document_in_common():
    outside = [replace(PAIR, document="", miner="general"), replace(OTHER, document="", miner="general, other")]
    assert reasons(*outside) == ["", ""]


def test_what_was_dropped_before_counts_for_nothing():
    dropped = Dropped("questions", "d1", PAIR.anchor, "NO_ANSWER")
    too_long = replace(PAIR, positive=OTHER.positive, miner="questions", document="d2")
    given = [dropped, too_long, PAIR]
    assert reasons(*given) == ["NO_ANSWER", "", ""]
    assert reasons(*given, languages=["en"]) == ["NO_ANSWER", "LANGUAGE", ""]

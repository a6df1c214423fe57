"""Clicks: what they train, span by span, and what they judge."""

from collections.abc import Iterable, Sequence

import pytest

from components.corpus.document import Document, Parsed, Section
from components.pairs.clicks import best, pairs, queries, stretches
from components.pairs.judged import Query
from components.pairs.logs import Clicked
from components.pairs.pair import Dropped, Pair

FILLER = "Check the seals every spring and write the date into the book by the door. "


def document(name: str, *sections: tuple[str, str]) -> Document:
    """A document of sections, each a heading and a text."""
    parsed = Parsed("", name, "en", tuple(Section((heading,), text) for heading, text in sections), "text/plain")
    return Document.of(parsed, uri=f"s3://b/{name}.md", version="1")


BOILER = document(
    "boiler", ("Upkeep", FILLER * 4), ("Noise", "Air in the pipes makes the boiler hum at night. " + FILLER)
)
TAP = document(
    "tap", ("Taps", "A worn washer lets the tap drip all day."), ("Noise", "A tap may hum when it is half open.")
)
COPY = document("copy", ("Noise", "Air in the pipes makes a boiler hum at night."))
PUMP = document("pump", ("Pumps", "The pump runs day and night without a sound."))
TINY = document("tiny", ("Hum", "See above."))
NAMED = {one.id: one for one in (BOILER, TAP, COPY, PUMP, TINY)}
GROUPS = {one: "g" if one in (BOILER.id, COPY.id) else one for one in NAMED}


def click(
    query: str, of: Document, weight: float = 1.0, skipped: Sequence[Document] = (), held_out: bool = False
) -> Clicked:
    return Clicked(query, of.id, 10, 2, weight, tuple(one.id for one in skipped), held_out)


def made(clicked: Iterable[Clicked], read: Sequence[Document] = tuple(NAMED.values())) -> list[Pair | Dropped]:
    return list(pairs(iter(clicked), lambda: iter(read), GROUPS))


def test_a_pair_is_the_question_and_the_stretch_that_answers_it_best():
    (pair,) = made([click("why does my boiler hum", BOILER)])
    assert isinstance(pair, Pair)
    assert (pair.anchor, pair.miner, pair.document, pair.group) == ("why does my boiler hum", "logs", BOILER.id, "g")
    assert pair.positive.startswith("Air in the pipes")
    assert pair.positive == BOILER.text[pair.start : pair.end]


def test_weights_are_in_proportion_to_the_best_answer_of_the_question():
    clicked = [
        click("hum", TAP, 0.2),
        click("hum", BOILER, 0.4),
        click("hum", PUMP, 7.5, held_out=True),
        click("drip", TAP, 2.0),
    ]
    assert [(pair.anchor, pair.document, pair.weight) for pair in made(clicked)] == [
        ("hum", BOILER.id, 1.0),
        ("drip", TAP.id, 1.0),
        ("hum", TAP.id, 0.5),
    ]


def test_negatives_are_the_best_of_what_was_passed_over_in_its_order():
    (pair,) = made([click("boiler hum", BOILER, skipped=[PUMP, COPY, TINY, TAP])])
    assert isinstance(pair, Pair)
    assert pair.negatives == (PUMP.text, "A tap may hum when it is half open.")


def test_each_click_that_trains_makes_a_pair_or_a_drop():
    anchor = "See the pump, it runs."
    echo = document("echo", ("Pumps", anchor))
    GROUPS[echo.id] = echo.id
    clicked = [
        click("hum", TINY),
        click("see the PUMP it runs", echo),
        click("a question that may judge", PUMP),
        click("hum", BOILER, skipped=[PUMP]),
        click("hum", TAP, held_out=True),
    ]
    found = made(clicked, [BOILER, TINY, echo])
    assert [one for one in found if isinstance(one, Dropped)] == [
        Dropped("logs", TINY.id, "hum", "SHORT_ANSWER"),
        Dropped("logs", echo.id, "see the PUMP it runs", "ANSWER_REPEATS_QUERY"),
        Dropped("logs", PUMP.id, "", "NOT_IN_TRAINING"),
    ]
    assert [(one.document, one.negatives) for one in found if isinstance(one, Pair)] == [(BOILER.id, ())]


@pytest.mark.parametrize(
    ("query", "at"),
    [("what hums", 0), ("w120", 1), ("W120 w10", 0), ("beta w30", 2), ("beta", 2), ("w260", 1)],
    ids=["no word", "one word", "the first of two", "the heading helps", "the heading alone", "no scrap at the end"],
)
def test_the_stretch_with_most_of_the_words_is_the_best(query, at):
    long = " ".join(f"w{number}" for number in range(240)) + " w260"
    found = stretches(document("long", ("Alpha", long), ("Beta", "w30 and four words more")))
    assert [len(long[one.start : one.end].split()) for one in found] == [100, 141, 0]
    assert best(found, query) == found[at]


def test_a_question_without_any_stretch_has_no_best():
    assert best([], "hum") is None


def test_the_held_out_part_judges_with_grades_in_proportion_to_the_best():
    clicked = [
        click("why a hum?", BOILER, 0.9, held_out=True),
        click("why a hum?", TAP, 0.61, held_out=True),
        click("why a hum?", PUMP, 0.45, held_out=True),
        click("why a hum?", TINY, 0.2, held_out=True),
        click("why a hum?", COPY, 5.0),
        click("drip", TAP, 0.01, held_out=True),
    ]
    found = queries(clicked)
    assert {one.text: one.relevant for one in found} == {
        "why a hum?": {BOILER.id: 3, TAP.id: 3, PUMP.id: 2, TINY.id: 1},
        "drip": {TAP.id: 3},
    }
    assert all(one.slices == ("logs",) and list(one.relevant) == sorted(one.relevant) for one in found)
    assert found == sorted(queries(reversed(clicked)), key=lambda one: one.id)


def test_a_question_keeps_its_id_when_its_spelling_changes():
    (one,), (other,) = (
        queries([click("Boiler hums?", TAP, held_out=True)]),
        queries([click("boiler hums", TAP, held_out=True)]),
    )
    assert isinstance(one, Query)
    assert one.id == other.id == "logs-" + one.id[-16:]

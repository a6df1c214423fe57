"""Training pairs from headings."""

from collections import Counter

import pytest

from components.corpus.document import Document, Parsed, Section
from components.pairs import headings
from components.pairs.pair import Dropped, Pair

ANSWER = "Turn the valve to the left until it stops."


def document(*sections: tuple[str, str]) -> Document:
    """A document with these headings and texts; an empty heading is none."""
    made = tuple(Section(("Boiler", heading) if heading else (), text) for heading, text in sections)
    return Document.of(Parsed("", "Boiler", "", made, "text/markdown"), uri="s3://b/boiler.md", version="1")


def only(heading: str, text: str = ANSWER, common: Counter[str] | None = None) -> Pair | Dropped:
    """What becomes of the one section of a document."""
    (found,) = headings.pairs(document((heading, text)), "g", common or Counter())
    return found


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (ANSWER, ANSWER),
        ("Open the lid now. Fill it. Close it! Wait an hour.", "Open the lid now. Fill it. Close it!"),
        ("Is it version 1.2 or 1.3? Ask e.g.this. Yes. No.", "Is it version 1.2 or 1.3? Ask e.g.this. Yes."),
        ("red pipe\nblue pipe\ngreen pipe\nblack pipe", "red pipe\nblue pipe\ngreen pipe"),
        (" ".join(f"word{n}" for n in range(99)), " ".join(f"word{n}" for n in range(60))),
    ],
    ids=["one sentence", "three sentences", "dots inside words", "lines", "at most 60 words"],
)
def test_the_answer_is_the_first_sentences(text, answer):
    assert only("Close the valve", text).positive == answer


def test_spans_point_into_the_text_of_the_document():
    whole = document(
        ("", "What stands before any heading is no answer."),
        ("Close the valve", ANSWER),
        ("Price", "Ten euros."),
        ("Öl prüfen", "Die Ölstände prüft man kalt. Zwei. Drei. Vier."),
        ("Drain it", "Put a bucket under the tap first."),
    )
    found = [pair for pair in headings.pairs(whole, "g", Counter()) if isinstance(pair, Pair)]
    assert [pair.anchor for pair in found] == ["Close the valve", "Öl prüfen", "Drain it"]
    assert [whole.text[pair.start : pair.end] for pair in found] == [pair.positive for pair in found]
    assert {(pair.document, pair.group, pair.miner) for pair in found} == {(whole.id, "g", "headings")}


@pytest.mark.parametrize(
    ("heading", "text", "reason"),
    [
        ("Price", "Just four words here.", "SHORT_ANSWER"),
        ("Turn the valve to THE left", "Turn the valve to the left!", "ANSWER_REPEATS_HEADING"),
    ],
)
def test_an_answer_that_says_nothing_is_dropped(heading, text, reason):
    assert only(heading, text) == Dropped("headings", document((heading, text)).id, heading, reason)


@pytest.mark.parametrize(("documents", "dropped"), [(5, False), (6, True)])
def test_a_heading_of_more_than_five_documents_is_dropped(documents, dropped):
    written = ["See also", "see_also", "SEE ALSO:", "SeeAlso", "See also", "see also"][:documents]
    counted = headings.count_headings(document((heading, ANSWER), ("See also", ANSWER)) for heading in written)
    assert counted == {"see also": documents}, "once for each document, however it is written"
    assert isinstance(only("See Also", common=counted), Dropped) == dropped


@pytest.mark.parametrize(
    ("heading", "asked"),
    [
        ("CreateBucket", "create bucket"),
        ("create_bucket", "create bucket"),
        ("HTTPRequest", "http request"),
        ("PutBucketACL", "put bucket acl"),
        ("ListWebACLs", "list web acls"),
        ("Use getObject here", "Use get object here"),
        ("Closing the Valve", "Closing the Valve"),
        ("USB and TCP/IP", "USB and TCP/IP"),
        ("Your APIs, VMs and IDs", "Your APIs, VMs and IDs"),
        ("IPv4 and OAuth", "IPv4 and OAuth"),
        ("EC2 in 2024", "EC2 in 2024"),
    ],
)
def test_identifiers_are_spelt_out_and_ordinary_words_are_not(heading, asked):
    assert only(heading).anchor == asked


@pytest.mark.parametrize(
    ("path", "title", "anchor"),
    [
        (("Manual", "Valves", "Overview"), "Manual", "Valves Overview"),
        (("Manual", "Notes", "Examples"), "Manual", "Manual Examples"),
        (("Overview",), "Boiler manual", "Boiler manual Overview"),
        (("What's new?",), "Boiler", "Boiler What's new?"),
        (("Overview",), "Introduction", None),
        (("Overview",), "", None),
        (("Valves",), "Manual", "Valves"),
    ],
    ids=["parent", "grandparent", "title", "as plain writes it", "generic title", "no title", "says enough"],
)
def test_a_heading_that_says_little_is_asked_with_the_one_above(path, title, anchor):
    made = Document.of(Parsed("", title, "", (Section(path, ANSWER),), "text/html"), uri="s3://b/x", version="1")
    (found,) = headings.pairs(made, "g", Counter())
    assert (found.anchor if isinstance(found, Pair) else None) == anchor
    assert isinstance(found, Pair) or found.reason == "GENERIC_HEADING"

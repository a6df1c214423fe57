"""How texts are compared."""

import pytest

from components.pairs.wording import plain


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Close the VALVE!", "close  the valve", True),
        ("createBucket", "create_bucket", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("\u0915\u093f\u0924\u093e\u092c", "\u0915\u0941\u0924\u0941\u092c", False),
        ("\u0e01\u0e34\u0e19", "\u0e01\u0e31\u0e19", False),
        ("a b", "ab", False),
    ],
    ids=["case and marks", "identifiers", "composed", "sharp s", "Hindi vowels", "Thai vowels", "spaces"],
)
def test_texts_that_say_the_same_in_the_same_words_are_equal(one, other, same):
    assert (plain(one) == plain(other)) is same

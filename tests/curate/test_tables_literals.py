"""Python literals in csv files: what our reader makes of them is what Python makes of them."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.curate.tables.literals import list_entries, read_literal, string_of

TEXTS = st.text(st.one_of(st.sampled_from("'\"\\[], \tnéNoneTrue0"), st.characters(codec="utf-8")))
SCALARS = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
    st.booleans(),
    st.sampled_from(["None", "True, False", "null", "NaN", "it's", "['a', \"b\"]"]),
)
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=4), max_leaves=12)


@settings(max_examples=400)
@given(VALUES)
def test_what_python_writes_comes_through(value):
    assert repr(read_literal(repr(value))) == repr(value)


@settings(max_examples=400)
@given(st.text("'\"\\[], \nnxa1.NoneTrufals-", max_size=24))
def test_any_text_is_read_as_python_reads_it_or_refused(text):
    try:
        expected = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        with pytest.raises(ValueError, match="no Python literal"):
            read_literal(text)
    else:
        assert repr(read_literal(text)) == repr(expected)


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "__import__('os')", "[x for x in 'a']", "[null]", "[NaN]", "['a", "", "['a']]"],
)
def test_what_is_no_literal_is_refused(text):
    with pytest.raises(ValueError, match="no Python literal"):
        read_literal(text)


def test_odd_literals_are_read_too():
    assert read_literal("['\\x41', u'b', 'c' 'd', (1, 2), ]") == ["A", "b", "cd", (1, 2)]
    assert read_literal('["a",\n "b"]') == ["a", "b"]


@settings(max_examples=400)
@given(st.lists(st.one_of(TEXTS, SCALARS, st.lists(SCALARS, max_size=3)), max_size=4))
def test_entries_of_a_list_are_literals_of_what_is_in_it(values):
    entries = list_entries(repr(values))
    assert repr([ast.literal_eval(each) for each in entries]) == repr(values)


@given(st.lists(st.lists(st.lists(st.sampled_from(["0:00:01.5", "1", "a]", ""])), max_size=3)))
def test_entries_of_nested_times_are_split_where_lists_end(values):
    assert [ast.literal_eval(each) for each in list_entries(repr(values))] == values


@pytest.mark.parametrize("text", ["[0.4, 0.5]", "[0.4,0.5]", "[0.4 ,0.5]", "[ 0.4,  0.5 ]"])
def test_numbers_are_entries_however_they_are_spaced(text: str) -> None:
    assert [each.strip() for each in list_entries(text)] == ["0.4", "0.5"]


@given(TEXTS)
def test_a_string_stands_for_its_characters(text):
    assert string_of(repr(text)) == text
    assert string_of("'\\x41'") == "A"


def test_what_is_no_list_has_no_entries():
    for text in ("('a', 'b')", "{}", "3", "['a' 3]", "[1, 2"):
        with pytest.raises(ValueError, match="no "):
            list_entries(text)

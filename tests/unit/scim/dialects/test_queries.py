"""Query parameters."""

import pytest

from scim.dialects import normalise_query

FILTER = 'userName eq "jo"'


@pytest.mark.parametrize(
    "query",
    [
        {"aadOptscim062020": "", "filter": FILTER},
        {"filter": FILTER, "AADOPTSCIM062020": "true"},
        {"aadOptscim062020?filter": FILTER},
        {"aadOptscim062020&filter": FILTER},
        {"aadOptscim062020filter": FILTER},
        {"?aadOptscim062020/filter": FILTER},
        {"filter": f"{FILTER}?aadOptscim062020"},
        {"filter": f"{FILTER}&aadOptscim062020="},
        {"filter": f"{FILTER},aadOptscim062020"},
        {"AzureAdScimPatch2017": "", "Filter": FILTER},
        {"FILTER": FILTER, "count": "", "startIndex": " "},
    ],
    ids=str,
)
def test_the_filter_is_found(query: dict[str, str]):
    assert normalise_query(query) == {"filter": FILTER}


def test_other_parameters_stay():
    """They are ignored by whoever reads the known ones."""
    assert normalise_query({"x": "1", "aadOpt": "y"}) == {"x": "1", "aadOpt": "y"}


def test_a_value_that_looks_like_a_flag_stays():
    query = {"filter": 'userName eq "a?aadOptscim062020"'}

    assert query == normalise_query(query)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"startindex": "1", "COUNT": "100"}, {"startIndex": "1", "count": "100"}),
        ({"attributes": "userName,+emails "}, {"attributes": "userName, emails"}),
        ({"excludedattributes": "members"}, {"excludedAttributes": "members"}),
        (
            {"sortBy": "+userName", "sortOrder": "Descending"},
            {"sortBy": "userName", "sortOrder": "descending"},
        ),
        ({"cursor": ""}, {"cursor": ""}),
        ({"cursor": "a+b="}, {"cursor": "a+b="}),
        ({"filter": 'userName eq "a+b"'}, {"filter": 'userName eq "a+b"'}),
        ({"": "x"}, {}),
        ({}, {}),
    ],
    ids=str,
)
def test_parameters_are_read(sent: dict[str, str], read: dict[str, str]):
    assert read == normalise_query(sent)
    assert read == normalise_query(read)

"""Route matching as the Functions host does it; every rule of ``scimgw.localhost.routes`` has its test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimgw.localhost.routes import InvalidRoute, Route, RouteTable, parse_route

GUID = "12345678-9abc-def0-1234-56789abcdef0"


def _route(template: str, methods: list[str] | None = None) -> Route:
    return parse_route("function", template, methods)


def _parameters(template: str, path: str) -> dict[str, str] | None:
    return _route(template).match("GET", path)


def _table(**routes: str) -> RouteTable:
    return RouteTable(parse_route(name, template, None) for name, template in routes.items())


def _winner(table: RouteTable, path: str, method: str = "GET") -> str | None:
    found = table.find(method, path)
    return found and found[0].function_name


def test_the_first_function_name_wins_however_literal_another_route_is() -> None:
    table = _table(b_literal="users/me", a_parameter="users/{id}")

    assert _winner(table, "/users/me") == "a_parameter"


def test_function_names_are_ordered_without_regard_to_case() -> None:
    """`_` sorts after letters: names compare in upper case, as .NET's OrdinalIgnoreCase does."""
    table = _table(B="{x}", a="{y}", _="{z}")

    assert [route.function_name for route in table.routes] == ["a", "B", "_"]


def test_a_route_that_does_not_match_leaves_the_next_one_its_turn() -> None:
    table = _table(a="{id:guid}", b="{name}")

    assert _winner(table, f"/{GUID}") == "a"
    assert _winner(table, "/other") == "b"


def test_nothing_that_matches_is_nothing() -> None:
    assert _winner(_table(a="users"), "/groups") is None


def test_literals_compare_without_regard_to_case() -> None:
    assert _parameters("scim/Users", "/SCIM/uSERS") == {}


def test_parameters_keep_their_case() -> None:
    assert _parameters("users/{Id}", "/users/AbC") == {"Id": "AbC"}


@pytest.mark.parametrize("template", ["users", "users/{id?}", "users/{*rest}"])
def test_one_trailing_slash_is_ignored(template: str) -> None:
    assert _parameters(template, "/users/") == {}


@pytest.mark.parametrize("path", ["/users//", "//users", "/users//7", "/users/7//"])
def test_an_empty_segment_never_matches(path: str) -> None:
    assert _parameters("users/{id?}", path) is None


@pytest.mark.parametrize("path", ["/users", "/users/7/8", "/"])
def test_the_number_of_segments_must_agree(path: str) -> None:
    assert _parameters("users/{id}", path) is None


def test_an_optional_parameter_may_be_absent() -> None:
    assert _parameters("users/{id?}", "/users") == {}
    assert _parameters("users/{id?}", "/users/7") == {"id": "7"}


def test_a_default_stands_in_for_an_absent_parameter() -> None:
    assert _parameters("users/{id=me}", "/users") == {"id": "me"}
    assert _parameters("users/{id=me}", "/users/7") == {"id": "7"}


@pytest.mark.parametrize("star", ["*", "**"])
@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/scim/Users", "Users"),
        ("/scim/Users/7", "Users/7"),
        ("/scim/Users/", "Users/"),
        ("/scim/a//b", "a//b"),
    ],
)
def test_a_catch_all_takes_the_rest_with_its_slashes(star: str, path: str, rest: str) -> None:
    assert _parameters(f"scim/{{{star}rest}}", path) == {"rest": rest}


@pytest.mark.parametrize("path", ["/scim", "/scim/"])
def test_a_catch_all_may_take_nothing(path: str) -> None:
    assert _parameters("scim/{*rest}", path) == {}


def test_a_catch_all_does_not_start_with_an_empty_segment() -> None:
    assert _parameters("scim/{*rest}", "/scim//Users") is None


def test_a_catch_all_must_come_last() -> None:
    with pytest.raises(InvalidRoute, match="last"):
        _route("{*rest}/users")


@pytest.mark.parametrize(
    "text", [GUID, GUID.upper(), GUID.replace("-", ""), f"{{{GUID}}}", f"({GUID})", f" {GUID} "]
)
def test_a_guid_may_be_written_as_dotnet_reads_it(text: str) -> None:
    """Dashed, undashed, braced, parenthesised: the app has to make one of them all."""
    assert _parameters("{tenant:guid}", f"/{text}") == {"tenant": text}


@pytest.mark.parametrize(
    "text", [GUID[:-1], GUID + "0", "x" * 32, f"{{{GUID}", f"{GUID[:9]}{GUID[10:]}", "me"]
)
def test_what_is_no_guid_does_not_match(text: str) -> None:
    assert _parameters("{tenant:guid}", f"/{text}") is None


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", ["0", "-1", "+7", "2147483647"], ["2147483648", "1.5", "1_0", "x", "9" * 5000]),
        ("long", ["9223372036854775807"], ["9223372036854775808"]),
        ("bool", ["true", "FALSE"], ["1", "yes"]),
        ("alpha", ["abcXYZ"], ["ab1", "ä"]),
        ("required", ["x"], []),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(5)", ["5"], ["4", "x"]),
        ("max(5)", ["5", "-9"], ["6"]),
        ("range(5,6)", ["5", "6"], ["4", "7"]),
        ("regex(^a[0-9]{{2}}$)", ["a12", "A12"], ["a1", "ba12"]),
        ("INT:min(5)", ["5"], ["4", "99999999999"]),
    ],
)
def test_constraints(constraint: str, good: list[str], bad: list[str]) -> None:
    """Several constraints must all hold; their names are read in any case."""
    template = f"{{value:{constraint}}}"

    assert [text for text in good if _parameters(template, f"/{text}") is None] == []
    assert [text for text in bad if _parameters(template, f"/{text}") is not None] == []


def test_an_absent_optional_parameter_is_not_checked() -> None:
    assert _parameters("users/{id:int?}", "/users") == {}


@pytest.mark.parametrize(
    "template", ["{x:unknown}", "{x:length(a)}", "{x:range(1)}", "{a}.{b}", "x{y}", "{", "}"]
)
def test_a_template_that_cannot_be_matched_faithfully_is_refused(template: str) -> None:
    with pytest.raises(InvalidRoute):
        _route(template)


def test_a_method_that_is_not_listed_does_not_match() -> None:
    """There is no 405: the next function may take it, else it is a 404."""
    route = _route("users", ["GET", "post"])

    assert route.match("PUT", "/users") is None
    assert route.match("POST", "/users") == {}
    assert route.match("get", "/users") == {}


@pytest.mark.parametrize("method", ["GET", "PATCH", "OPTIONS", "PROPFIND", "BREW"])
def test_without_methods_every_method_matches(method: str) -> None:
    """The Functions host adds a method constraint only where the trigger lists methods."""
    assert _route("users").match(method, "/users") == {}


def test_the_prefix_comes_first() -> None:
    route = parse_route("function", "users", None, prefix="/api/v1/")

    assert route.match("GET", "/api/v1/users") == {}
    assert route.match("GET", "/users") is None


def test_an_empty_route_is_the_function_name() -> None:
    assert parse_route("Health", "", None).match("GET", "/health") == {}


@pytest.mark.parametrize("template", ["admin", "Admin/users", "/runtime/x", "administrators"])
def test_routes_of_the_host_itself_are_refused(template: str) -> None:
    with pytest.raises(InvalidRoute, match="keeps"):
        _route(template)


def test_two_functions_cannot_have_the_same_route_and_method() -> None:
    with pytest.raises(InvalidRoute, match="its route is that of a"):
        _table(a="users/{id}", b="Users/{ID}")


def test_two_functions_may_share_a_route_by_method() -> None:
    table = RouteTable([parse_route("a", "users", ["GET"]), parse_route("b", "users", ["POST"])])

    assert _winner(table, "/users", "GET") == "a"
    assert _winner(table, "/users", "POST") == "b"


@given(st.text(alphabet="/ab%{}.", max_size=12))
def test_any_path_is_matched_without_failing(path: str) -> None:
    _parameters("a/{b:guid}/{c?}", path)
    _parameters("{*rest}", path)

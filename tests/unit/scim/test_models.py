"""Models with a tenant's custom attributes."""

import pytest

from scim.models import check_custom_attributes, user_models
from scim.profile import AttributeType, CustomAttribute
from tests.unit.scim.clients import ENTERPRISE, USER

TAG = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag"


def names(*attributes: str) -> dict[str, list[str]]:
    """The attributes that a tenant with these custom ones publishes, by schema, less the standard ones."""
    standard = {
        str(each.to_schema().id): {str(attribute.name) for attribute in each.to_schema().attributes or []}
        for model, extensions in [user_models([])]
        for each in (model, *extensions)
    }
    user, extensions = user_models([CustomAttribute(attribute) for attribute in attributes])
    found = {}
    for model in (user, *extensions):
        schema = model.to_schema()
        listed = [str(attribute.name) for attribute in schema.attributes or []]
        found[str(schema.id)] = [name for name in listed if name not in standard.get(str(schema.id), set())]
    return {urn: added for urn, added in found.items() if added}


def test_a_plain_name_joins_the_user():
    """As Entra sends it: a top-level key."""
    assert names("profileField_location", "cost-code") == {USER: ["profileField_location", "cost-code"]}


def test_a_urn_makes_an_extension():
    """One for each schema URN, in whatever case it is repeated."""
    other = TAG.replace("CustomExtensionName", "customextensionname").replace(":tag", ":size")

    assert names(TAG, other, "urn:acme:hr:grade") == {
        TAG.rpartition(":")[0]: ["tag", "size"],
        "urn:acme:hr": ["grade"],
    }


def test_standard_schemas_can_be_extended():
    """By their URN."""
    assert names(f"{ENTERPRISE}:badge", f"{USER}:shoeSize") == {ENTERPRISE: ["badge"], USER: ["shoeSize"]}


@pytest.mark.parametrize(
    "name", ["copy", "json", "model_dump", "replace", "schema", "custom_0_x", "None", "class"]
)
def test_names_of_python_are_attribute_names(name: str):
    """Whatever the models call their methods."""
    user, _ = user_models([CustomAttribute(name)])

    resource = user.model_validate({"userName": "jo", name: "x"})

    assert resource.model_dump()[name] == "x"
    assert names(f"urn:acme:{name}:attribute") == {f"urn:acme:{name}": ["attribute"]}


@pytest.mark.parametrize(
    "segment", ["Emails", "name", "copy", "Custom", "2.0", "User", "x.y", "EnterpriseUser", "meta"]
)
def test_extensions_may_be_called_like_anything(segment: str):
    """Their name must be none of the model's own; two with one name are told apart."""
    first, second = f"urn:acme:{segment}:User:a", f"urn:other:{segment}:User:b"

    user, _ = user_models([CustomAttribute(first), CustomAttribute(second)])
    resource = user.model_validate({"userName": "jo"})

    assert resource.model_dump()["userName"] == "jo"
    assert set(names(first, second)) == {first.rpartition(":")[0], second.rpartition(":")[0]}


@pytest.mark.parametrize(
    ("attribute_type", "good", "bad"),
    [
        (AttributeType.STRING, "x", 1),
        (AttributeType.INTEGER, 5, "five"),
        (AttributeType.BOOLEAN, True, "maybe"),
        (AttributeType.DATE_TIME, "2011-05-13T04:42:34Z", "yesterday"),
        (AttributeType.STRINGS, ["a", "b"], [1]),
    ],
)
@pytest.mark.parametrize("name", ["x", TAG])
def test_types_are_checked_and_round_trip(
    name: str, attribute_type: AttributeType, good: object, bad: object
):
    """RFC 7643 §2.3."""
    user, extensions = user_models([CustomAttribute(name, attribute_type)])
    model = user[extensions[-1]] if name == TAG else user
    urn, _, attribute = name.rpartition(":")

    def content(value: object) -> dict[str, object]:
        return {"userName": "jo", **({urn: {attribute: value}} if urn else {attribute: value})}

    assert content(good).items() <= model.model_validate(content(good)).model_dump().items()
    with pytest.raises(ValueError, match=r"valid|input"):
        model.model_validate(content(bad))


@pytest.mark.parametrize(
    "attributes",
    [
        [""],
        ["a b"],
        ["1a"],
        ["a.b"],
        ["a'b"],
        ["$ref"],
        ["_private"],
        ["acme:hr:grade"],
        ["urn:x:grade"],
        ["urn:acme:hr:"],
        ["userName"],
        ["USERNAME"],
        ["externalid"],
        ["schemas"],
        ["meta"],
        [f"{USER}:userName"],
        [f"{ENTERPRISE}:Department"],
        ["location", "Location"],
        [TAG, TAG.upper()],
    ],
)
def test_impossible_attributes_are_refused(attributes: list[str]):
    """A malformed, taken or repeated name: said when the tenant is made."""
    with pytest.raises(ValueError, match=r"attribute|twice"):
        check_custom_attributes([CustomAttribute(name) for name in attributes])
    with pytest.raises(ValueError, match=r"attribute|twice"):
        user_models([CustomAttribute(name) for name in attributes])


def test_the_same_name_may_be_plain_and_in_an_extension():
    """They are two attributes."""
    check_custom_attributes(
        [CustomAttribute("tag"), CustomAttribute(TAG), CustomAttribute("urn:acme:hr:userName")]
    )

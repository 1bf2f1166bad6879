"""Where the shapes are documented or were seen. A rule cites these marks."""

TITLES = {
    "E1": (
        "Microsoft, *Develop and plan provisioning for a SCIM endpoint* "
        "(learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups)"
    ),
    "E2": (
        "Microsoft, *Known issues and resolutions with SCIM 2.0 protocol compliance* "
        "(learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility)"
    ),
    "E3": (
        "Microsoft, *Customize attribute mappings* "
        "(learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes)"
    ),
    "V1": (
        "Microsoft, the gallery's validation tests "
        "(github.com/AzureAD/SCIMReferenceCode, Microsoft.SCIM.LogicAppValidationTemplate)"
    ),
    "V4": "Microsoft, the Postman collection of github.com/AzureAD/SCIMReferenceCode",
    "V5": "Microsoft, the onboarding notes of github.com/AzureAD/SCIMReferenceCode",
    "O1": "Okta, *SCIM 2.0 protocol* (developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20)",
    "RFC 7643": "*System for Cross-domain Identity Management: Core Schema*",
    "RFC 7644": "*System for Cross-domain Identity Management: Protocol*",
}

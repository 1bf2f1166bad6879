"""Names and places for the simulated people, chosen for what breaks servers."""

GIVEN_NAMES = (
    "Zoë",
    "José",
    "Aoife",
    "Łukasz",
    "Anne-Marie",
    "Jürgen",
    "Nguyễn",
    "Chloé",
    "Björn",
    "Siân",
    "Mary Jo",
    "Þóra",
    "Олена",
    "美咲",
    "Søren",
    "İrem",
    "Grace",
    "Omar",
    "Priya",
    "Tom",
    "Lucía",
    "Kwame",
    "Ngozi",
    "Emma",
    "Noah",
)

FAMILY_NAMES = (
    "O'Brien",
    "D'Angelo",
    "Müller",
    "van der Berg",
    "García Márquez",
    "Nuñez",
    "Öztürk",
    "Smith-Jones",
    "Kowalska",
    "al-Masri",
    "Dvořák",
    "Strauß",
    "Ó Súilleabháin",
    "Шевченко",
    "田中",
    "Lefèvre",
    "Okafor",
    "Young",
    "Patel",
    "St. John",
    "Ng",
    "Sørensen",
    "Ferreira",
    "Brown",
    "Åkesson",
    "Nakamura",
    "Rossi",
    "Cohen",
    "MacGregor",
)

JOB_TITLES = (
    "Engineer",
    "Senior Engineer",
    "Head of R&D",
    "Accountant",
    'Chief "People" Officer',
    "Sales Manager",
    "Intern",
    "Directrice générale",
    "Nurse",
    "Buyer 100%",
    "Support Agent",
    "Data_Analyst",
)

DEPARTMENTS = (
    "Research & Development",
    "Finance",
    "Sales",
    "Human Resources",
    "Legal/Compliance",
    "IT",
    "Opérations",
    "Marketing",
)

ROLES = ("Admin", "Editor", "Reader", "Approver", "Auditor")

LANGUAGES = ("en-GB", "de-DE", "fr-FR", "es-ES", "sv-SE", "pl-PL", "ja-JP")

# (street, locality, region, postal code, country)
OFFICES = (
    ("1 Main Street\nFloor 3", "Dublin", "Leinster", "D02 X285", "IE"),
    ("Königstraße 12", "Köln", "Nordrhein-Westfalen", "50667", "DE"),
    ("8, rue de l'Église", "Orléans", "Centre-Val de Loire", "45000", "FR"),
    ("C/ Mayor, 5, 2º", "A Coruña", "Galicia", "15001", "ES"),
    ("Storgatan 1", "Malmö", "Skåne", "211 42", "SE"),
    ("ul. Długa 44/50", "Łódź", "łódzkie", "90-001", "PL"),
    ("1-1 Chiyoda", "Tokyo", "Tokyo", "100-0001", "JP"),
)

TEAMS = (
    "Sales",
    "All Employees",
    "R&D (Köln)",
    "Finance — EMEA",
    'The "A" Team',
    "O'Reilly's Readers",
    "Ops/On-call",
    "Léaders",
    "VPN_Users",
    "100% Remote",
    "Board",
    "Support",
)

# What e-mail addresses make of names that no Latin letter is in.
ROMANISED = {"Олена": "Olena", "美咲": "Misaki", "Шевченко": "Shevchenko", "田中": "Tanaka"}

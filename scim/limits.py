"""Limits on what comes from outside. Each has a test on both sides.

Beyond one of them a client gets 413 (too much) or 400 (too complicated), never a slow answer and never a 5xx.
"""

from typing import Final

# A resource without its members, as JSON, and the body of a request for a user, in bytes. A user with a
# photograph inlined as a data URI has some 100 KiB; storage takes 704 KiB after compression.
RESOURCE_BYTES_MAX: Final = 1024 * 1024

# Body of any other request, in bytes: a PATCH with 20,000 members, each with value, $ref and type (about 160
# bytes), and a bulk request of 1,000 users fit. Parsing takes 20 ms. Published as bulk.maxPayloadSize.
BODY_BYTES_MAX: Final = 4 * 1024 * 1024

# Arrays and objects inside each other. A bulk request with a PATCH of an extension's complex attribute needs
# nine; what is deeper would also exhaust the stack of everything that walks it.
NESTING_DEPTH_MAX: Final = 16

# Longest filter, path, attributes or sortBy, in characters. Web servers stop reading a request line at 8 KiB,
# so a query parameter cannot be longer anyway; the same bound holds for .search. Parsing 8 KiB takes 20 ms.
QUERY_LENGTH_MAX: Final = 8 * 1024

# Largest integer in a query, and in a custom attribute on either side of zero: the largest that every JSON
# implementation keeps exactly (RFC 8259 §6).
INTEGER_MAX: Final = 2**53 - 1

# Operations of one PATCH that are not about members. Each takes about 0.1 ms to apply; Entra sends some 30.
PATCH_OPERATIONS_MAX: Final = 1_000

# Members that one request may add and remove. Entra sends up to a few hundred; 20,000 take the storage some
# seconds. More than that has to come in several requests.
MEMBERS_PER_REQUEST_MAX: Final = 20_000

# Members that a list of groups may hold altogether, so that an answer stays below some 15 MB. One group alone
# is always answered whole; a list beyond it is refused (400 tooMany) and can be had with
# excludedAttributes=members.
MEMBERS_PER_LIST_MAX: Final = 100_000

# Resources that a filter may go through that only members or groups, read for each of them, can decide.
COMPLETED_CANDIDATES_MAX: Final = 1_000

# How far from its beginning a sorted search of all resource types goes, in resources: every type's order is
# read up to there.
SORTED_DEPTH_MAX: Final = 10_000

# Operations of one bulk request, published as bulk.maxOperations: at some 10 ms each they are done before a
# client gives up (Entra: about 30 s).
BULK_OPERATIONS_MAX: Final = 1_000

# Resources of a page where the client names no count.
PAGE_SIZE_DEFAULT: Final = 100

# Resources of the longest page, published as filter.maxResults: one page of the table service's.
PAGE_SIZE_MAX: Final = 1_000

# How long a cursor may be used, published as pagination.cursorTimeout.
CURSOR_TIMEOUT_SECONDS: Final = 3_600

# Longest cursor, in characters; ours have about 300, and a few hundred more where they continue a sorted
# page.
CURSOR_LENGTH_MAX: Final = 4 * 1024

# Times that a change is applied again because someone else wrote the resource in between. Twenty writers of
# one resource need about ten where the table is slow.
WRITE_ATTEMPTS_MAX: Final = 20

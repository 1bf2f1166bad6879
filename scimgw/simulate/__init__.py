"""What Entra ID's and Okta's provisioning services send, played against any SCIM server, and checked.

The simulator keeps its own model of the directory. Every answer is checked when it comes, and at the end
everything is read back and compared. Nothing here knows the gateway, or imports anything of it.

- ``words`` → ``people`` → ``changes``: who is provisioned and what happens to them (pure, seeded)
- ``attributes`` → ``model`` → ``checks``: what must be true of an answer (pure)
- ``entra_bodies``, ``okta_bodies``: the shapes of each dialect (pure)
- ``peer`` → ``asker`` → ``user_actions``, ``group_actions``: one request at a time, checked
- ``entra``, ``okta`` → ``simulation``: the cycles, many subjects at a time (``stages``), and a run of them
"""

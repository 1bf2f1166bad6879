"""What a provisioning service does, one method an action."""

from scimgw.simulate.group_actions import GroupActions
from scimgw.simulate.user_actions import UserActions


class Actions(UserActions, GroupActions):
    """Everything that is asked of a server."""

    __slots__ = ()

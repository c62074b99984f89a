"""Users, roles, teams, sign-in, and API tokens.

It does not know clients or conversations: other rooms connect to its signals, such as `user_deactivated`.
"""

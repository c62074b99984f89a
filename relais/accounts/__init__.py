"""Users, roles, teams, sign-in, and API tokens.

It knows neither clients nor conversations: other rooms connect to its signals, such as `user_deactivated`.
"""

"""Who works here: users, their roles and teams, how they sign in, and the tokens of programs that call us.

It is not about clients, and it knows nothing of conversations: what a departure means for them, they listen for.
"""

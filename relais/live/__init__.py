"""The socket that keeps pages live, and what feeds it.

It knows ids, revisions and fragments, and no word of the domain: a source tells it what to show and to whom.
"""

"""What every page shares: the base layout, fragments, styles, scripts and translations.

It has no page of its own and no rule.
"""

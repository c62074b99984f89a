"""What all pages share: base templates, styles, scripts, middleware, error pages and translations.

It has no page of its own and no domain rule.
"""

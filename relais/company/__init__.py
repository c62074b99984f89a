"""The company's settings: brand, texts and delays, stored as rows that admins edit.

It holds no credentials, which come from the environment, and no rules, which belong to the rooms that use the settings.
"""

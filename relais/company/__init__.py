"""What the company is called and how it speaks: brand, texts and delays, as rows that admins edit.

It holds no credential and no rule: those come from the environment and from the rooms that read these rows.
"""

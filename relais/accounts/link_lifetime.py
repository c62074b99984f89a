"""How long the links of invitations and password resets are valid. Their texts say three days, too."""

LINK_LIFETIME_SECONDS = 3 * 86_400

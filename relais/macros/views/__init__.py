"""Views of macros: the pages on which they are written, and running one in a conversation."""

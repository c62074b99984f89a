"""Views of the desk: pages and fragments (GET), actions (POST), and the responses both share."""

"""Views of the client directory: pages (GET), and the responses that all its views share."""

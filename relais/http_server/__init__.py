"""The HTTP server of the web process: connection limits, bulkheads in front of the WSGI threads, uvicorn's settings.

It knows no route and no page: `relais.asgi` puts the application together and hands it over.
"""

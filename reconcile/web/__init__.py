"""The receiver over HTTP: `asgi.receiver_app` to mount in any ASGI application, `server.serve` to run alone."""

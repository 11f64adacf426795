"""A small HTTP server around one run's generator; it needs the extra `serve`."""

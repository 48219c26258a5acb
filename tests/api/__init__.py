"""The API as a frontend meets it, over its ASGI application and real repositories."""

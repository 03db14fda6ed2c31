"""A finished run as a folder of static files: its story, its numbers, its pictures.

The page itself is built from `web/` into `static/` and ships with the package, so that nobody needs
Node. What is written here is what that page reads: JSON, and maps packed into a few images.
"""

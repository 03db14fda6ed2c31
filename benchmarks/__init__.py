"""Measurements that take minutes, and no part of the package."""

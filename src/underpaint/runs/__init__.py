"""A run's folder: every file that is written, its name and shape; probes to be shared."""

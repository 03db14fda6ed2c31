"""Linear probes from sums: moments of activations, probes fitted to them, probes read live."""

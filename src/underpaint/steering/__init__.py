"""Using what was found: edits of activations, seeds picked early, the studio to paint in."""

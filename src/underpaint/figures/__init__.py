"""Pictures of a run for people to look at: steps by rows, curves, classes, edits, sheets."""

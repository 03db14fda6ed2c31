"""The study itself: batches, folding, fitting, scoring, stage by stage, here or on a cluster."""

"""How well a map matches its label: metrics, intervals, scores, and what a summary says of them."""

"""The rendered world behind `tiny`: words, scenes, pictures with exact truth, and training."""

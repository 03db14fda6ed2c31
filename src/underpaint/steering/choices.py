"""What an edit may be asked for, apart from what carries it out: so help needs no torch."""

CARRIED = ("albedo", "shading", "normals")
"""What an object takes along: asked for a mask alone, the model puts something else there."""
HELD = ("albedo", "shading")
"""Readings that move along with the mask's unless they are held: objects then turn dark."""
MARGIN = 1 / 16
"""How near to the object its surroundings are edited, as a share of the picture's larger side."""
SEERS = ("labelers", "probes")
"""Who may say what an unedited picture shows."""
FRAMES = 4
"""Of how many pictures an edit is kept at every strength, unless more is said."""

CONTROLS = (
    "none",
    "weight",
    "random",
    "shaped",
    "adam",
    "other",
    "late",
    "roll",
    "patch",
    "paste",
    "self-guidance",
)
"""The edit itself; along the probe's weight; along a random direction, and along a random one of
the data's own covariance, each as far as the edit goes; the literature's recipe; the edit of
another picture; the edit in the steps after its own; once, at its first step: latents rolled, the
object's patch of them swapped, its pixels pasted into the picture and renoised; and the published
guidance by what words attend to. `controls.WAYS` carries them out."""

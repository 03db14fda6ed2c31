"""What each command takes: its words, options and help. `cli` carries them out.

Nothing here needs torch: help, a wrong option and a run that is not there are answered at once.
"""

"""What everything else stands on: errors, arrays, prompts, properties, files and pictures."""

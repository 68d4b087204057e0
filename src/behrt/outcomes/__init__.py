"""Single events that are predicted from an index day on: definitions, labels and weights."""

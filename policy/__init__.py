"""Pure thinking: facts about a cluster in, resources and constraints out."""

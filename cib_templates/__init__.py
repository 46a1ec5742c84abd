"""Between our nouns and the CIB, both ways."""

"""The only part that meets the operator and the live cluster."""

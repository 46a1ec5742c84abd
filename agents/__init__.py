"""What a node can do: OCF resource agents that run alone on any node."""

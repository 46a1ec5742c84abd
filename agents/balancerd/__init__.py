"""The process behind `ocf:vsctl:balancer`."""

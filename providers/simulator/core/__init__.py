"""What the APIs of the simulator share: the reply, its scenario, prompt caches, signatures."""

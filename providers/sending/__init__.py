"""How the requests of one attempt are sent."""

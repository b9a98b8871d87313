"""One typed conversation (request) and one typed event sequence (response), in which client and upstream APIs meet."""

"""Where a call may go."""

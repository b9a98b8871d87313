"""What each member and each content block of a Messages body costs, stores and reaches."""

"""Authentication at providers: one file per scheme."""

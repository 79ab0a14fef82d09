"""Tables change places in one statement, with all that hangs on them, and back."""

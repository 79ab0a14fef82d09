"""Which schemas there are, what they should hold, what each of them is, and what may go."""

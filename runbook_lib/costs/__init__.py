"""What backups really cost: AWS's billing rule, the facts it works on, prices, the bill, and what could be saved."""

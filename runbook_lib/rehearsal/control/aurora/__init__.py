"""Aurora's rules on top of moto's RDS: what AWS refuses, resets, delays and remembers."""

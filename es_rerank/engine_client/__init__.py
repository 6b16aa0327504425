"""The engine behind: its nodes, how they are reached, and what is said to them and by them."""

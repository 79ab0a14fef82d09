"""Restored copies that are still there: what our runs left behind, and their deletion by an approved plan."""

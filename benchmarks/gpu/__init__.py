"""What a GPU makes of FullRank: its tests, its steps beside bare loops and lightly, and short trainings."""

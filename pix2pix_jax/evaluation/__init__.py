"""How good a generator is: metrics, scores of a run and of folders, scorecards."""

"""Commands of the front door: one function each."""

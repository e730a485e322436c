"""The province: schema of its state, and the builders that fill it."""

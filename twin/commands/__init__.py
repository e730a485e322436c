"""Commands of the ``twin`` program: one function each; they parse nothing, call, and print."""

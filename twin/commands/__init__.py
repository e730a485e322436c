"""What the commands on run files do, as plain functions: text or tables and an exit code, nothing printed."""

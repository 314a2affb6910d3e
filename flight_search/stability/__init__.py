"""Stability patterns: one pattern, one file, one word. Each is off unless a setting asks for it, and alone when it is the only one."""

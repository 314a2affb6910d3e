"""The testbed: plans a night, replays it on a real facility, keeps a journal, judges it, and tells."""

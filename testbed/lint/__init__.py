"""The mistake of the case, found in Python source without running it: by the syntax tree, and by nothing else.

`finding`: a finding and the rules, each with a code. `place`: where it stands. `steps`: which calls are clean-ups, and of what.
`receivers`: which of them cannot raise, or are closed by Python itself. `scopes`: the functions of a module. `flow`: which clean-up an
exception of another skips. `blocks`: where clean-ups stand, and the rules about two in a row. `exception_only`, `unguarded`: the two
other rules. `instead`: what to write in place of what was found. `source`: a file's text, encoding and comments. `folders`: which files
of a directory are read. `linter`: all of it, for one file.

May import errors.
"""

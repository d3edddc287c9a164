"""Mutants: lines of the package made wrong on purpose, one at a time, to see whether the tests notice.

`python -m tests.mutants` tries every declared mutant on a copy of the project, never on the project, and keeps what
became of each in docs/results/mutants.json. A mutant is a table of one of the TOML files here: the `file`, the line as
it is (`before`, without its indentation; it is in the file exactly once) and made wrong (`after`), and the tests that
must fail then (`killed_by`, what pytest takes). Where nothing can tell the two apart, `equivalent` says why.
"""

"""What a run survives: killed, signalled and damaged at random moments, gone on with, compared with one left alone.

`python -m benchmarks.faults` writes docs/results/faults.json, from which `make docs` makes the table of
docs/reliability.md. A try is survived if the exit code is right, the run goes on, ends bit for bit as the one that was
left alone, and nothing half-written lies in its folder or in the temporary one.
"""

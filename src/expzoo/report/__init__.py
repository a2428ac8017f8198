"""What a run found, for people: one report model, told as a web page and as a table in the terminal.

Nothing is imported here, so that printing verdicts costs no second of start-up.
"""

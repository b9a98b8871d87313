"""An upper bound of a PDF's share of a prompt, from its own bytes: its pages, and the text that they show.

Not a general PDF reader: it accepts plain files, which every reader interprets in the same way, and rejects all others
as unreadable (docs/decisions/0017).
"""

"""How much of a prompt a PDF can be at most, from its own bytes: its pages, and the text that they show.

No reader of PDFs in general: it takes plain files, which every reader understands in the same way, and says of all
others that they cannot be read (docs/decisions/0017).
"""

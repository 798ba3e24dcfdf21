"""What everybody needs and nobody teaches: it knows nothing of the method.

In: arrays, file names, device names as people give them. Out: the same, checked, or one line that
says what was expected and what was found. Read `checks` and `arrays` (how input is refused), then
`files` (how a file is written whole or not at all) and `folders`; the rest when you meet it:
`images`, `device`, `progress`, `lazy`, `moved`.
"""

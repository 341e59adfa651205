"""Stories: steps that hang together, each a job of its own, checked whole before anything runs.

`types.py` has the step types, one YAML file each. `document.py` is what a caller sends. `graph.py` checks it
and puts the steps in order; `scenes.py` makes the steps of the short form.
"""

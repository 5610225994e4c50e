"""Plain solutions of the exercises, as a careful learner writes them.

They serve three ends: with one line changed they show what a known mistake computes, ``--reveal`` shows their lines,
and without their bodies they are the templates to start from. ``convolens.course`` is the specification.
"""

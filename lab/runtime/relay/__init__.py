"""The relay: a process of the lab that takes the place of a segment's bridge, where frames are to be late, lost or
chosen. It is the same on every kernel and with every runtime, and repeats itself from run to run.

The kernel's own netem is not used, even where there is one: which frames it loses differs from run to run and its
jitter reorders them, so that a grade would hang on the machine; nor does it tell what became of an interface's frames.
"""

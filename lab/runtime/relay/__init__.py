"""The relay: a process of the lab that takes the place of a segment's bridge, where frames are to be late, lost or
chosen. It is the same on every kernel and with every runtime, and repeats itself from run to run.
"""

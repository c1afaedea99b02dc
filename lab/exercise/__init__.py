"""What students are asked, what runs where, and what the packets have to show."""

from lab.exercise.load import load_exercise, parse_exercise, topology_path
from lab.exercise.model import Exercise, Graded, Ready, Step, Stop, Submission

__all__ = [
    "Exercise",
    "Graded",
    "Ready",
    "Step",
    "Stop",
    "Submission",
    "load_exercise",
    "parse_exercise",
    "topology_path",
]

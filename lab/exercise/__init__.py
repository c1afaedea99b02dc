"""What students are asked, what runs where, and what the packets have to show."""

from lab.exercise.load import load_exercise, parse_exercise, topology_path
from lab.exercise.model import Exercise, Graded, Ready, Step, Stop, Submission
from lab.exercise.submission import HandedIn, read_submission

__all__ = [
    "Exercise",
    "Graded",
    "HandedIn",
    "Ready",
    "Step",
    "Stop",
    "Submission",
    "load_exercise",
    "parse_exercise",
    "read_submission",
    "topology_path",
]

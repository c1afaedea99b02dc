"""The half that touches the system: programs are run, links are captured, evidence is kept in a run directory."""

"""A GitHub Actions workflow that grades a student's repository by the exercise in the teacher's; pure."""

from __future__ import annotations

import re

from lab.errors import LabError

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:/@=<>~,\[\] -]{0,300}")

_TEXT = """\
# Grades this repository by the exercise in {repository}, which is fetched anew for each run.
# Who can write to this repository can change this file: what counts is a run that you start from your own copy of it.
# Where {repository} is private, EXERCISE_TOKEN has to be a secret with a token that may read it and nothing else.
name: grade
on: [push, workflow_dispatch]
permissions: {{contents: read}}
concurrency: {{group: "grade-${{{{ github.ref }}}}", cancel-in-progress: true}}
jobs:
  grade:
    runs-on: ubuntu-24.04
    timeout-minutes: 15
    steps:
      - name: the student's files
        uses: actions/checkout@v4
        with: {{path: submissions/student, persist-credentials: false}}
      - name: the teacher's exercise
        uses: actions/checkout@v4
        with:
          repository: {repository}
          ref: {ref}
          path: teacher
          token: ${{{{ secrets.EXERCISE_TOKEN || github.token }}}}
          persist-credentials: false
      - uses: actions/setup-python@v5
        with: {{python-version: "3.12"}}
      - name: what lab needs
        run: |
          sudo apt-get update
          sudo apt-get install -y --no-install-recommends tcpdump bubblewrap nftables
          python -m pip install --quiet '{lab}'
          # Ubuntu 23.10 and newer forbid ordinary users the namespaces that a lab is made of.
          if [ -e /proc/sys/kernel/apparmor_restrict_unprivileged_userns ]; then
            sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
          fi
      - name: lab
        id: lab
        working-directory: teacher
        run: |
          lab grade '{path}' ../submissions --runtime netns --out "$RUNNER_TEMP/grades"
          lab export github "$RUNNER_TEMP/grades" --output "$RUNNER_TEMP/result"
          echo "result=$(cat "$RUNNER_TEMP/result/"*.txt)" >> "$GITHUB_OUTPUT"
      - name: feedback
        if: always()
        run: |
          lab export feedback "$RUNNER_TEMP/grades" --output "$RUNNER_TEMP/feedback" || exit 0
          cat "$RUNNER_TEMP/feedback/"*.md >> "$GITHUB_STEP_SUMMARY"
      - name: report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
          LAB_RESULTS: ${{{{ steps.lab.outputs.result }}}}
        with: {{runners: lab}}
"""


def workflow(path: str, repository: str, ref: str, lab: str) -> str:
    """The workflow for the exercise at `path` in `repository` (OWNER/NAME) at `ref`; `lab` is pip's requirement.

    Raises `LabError` for words that could mean something else in a workflow or a shell.
    """
    for what, text, pattern, hint in (
        ("repository", repository, _REPOSITORY, "OWNER/NAME"),
        ("path", path, _PATH, "the exercise's folder in that repository, or a ready-made name"),
        ("ref", ref, _REF, "a branch, a tag or a commit"),
        ("requirement", lab, _REQUIREMENT, "packetlab==VERSION, or packetlab @ git+https://…"),
    ):
        if not pattern.fullmatch(text):
            raise LabError(f"this is no {what}: {text!r}", hint=hint)
    return _TEXT.format(path=path, repository=repository, ref=ref, lab=lab)

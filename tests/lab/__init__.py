"""A real Pacemaker cluster with fencing, on one machine, in namespaces.

In a test, or wherever a program needs one:

    with Lab(nodes=3) as lab:
        lab.node("n1").run(["crm_mon", "-1"])
        lab.kill("n1")
        lab.wait(lambda: lab.where("vs1") == "n2", "vs1 runs on n2")
"""

from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.problem import LabProblem
from tests.lab.waiting import wait

__all__ = ["Lab", "LabProblem", "Machine", "wait"]

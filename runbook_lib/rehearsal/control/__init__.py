"""The stand-in's control plane: moto's server made as strict as AWS about Aurora."""

from runbook_lib.rehearsal.control.faults import Faults
from runbook_lib.rehearsal.control.pace import Pace, brisk
from runbook_lib.rehearsal.control.plane import ControlPlane
from runbook_lib.rehearsal.control.request_log import Request, RequestLog

__all__ = ["ControlPlane", "Faults", "Pace", "Request", "RequestLog", "brisk"]

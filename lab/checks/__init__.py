"""The checks by their name in an exercise: one file and one line each; those of other packages after our own."""

from lab.checks.answer import Answer
from lab.checks.arp import Arp
from lab.checks.base import Check
from lab.checks.compare import Compare
from lab.checks.dns import Dns
from lab.checks.fault import FaultStruck
from lab.checks.http import Http
from lab.checks.icmp import Icmp
from lab.checks.ndp import Ndp
from lab.checks.output import Output
from lab.checks.packages import of_packages
from lab.checks.path import Path
from lab.checks.python import Python
from lab.checks.raw import Raw
from lab.checks.reach import Reach
from lab.checks.round_trips import RoundTrips
from lab.checks.sockets import Sockets
from lab.checks.state import State
from lab.checks.tcp_close import TcpClose
from lab.checks.tcp_congestion import TcpCongestion
from lab.checks.tcp_connections import Connections
from lab.checks.tcp_data import TcpData
from lab.checks.tcp_handshake import TcpHandshake
from lab.checks.tcp_refused import TcpRefused
from lab.checks.tcp_retransmit import TcpRetransmit
from lab.checks.tcp_timeout import TcpTimeout
from lab.checks.tcp_window import TcpWindow
from lab.checks.tls import Tls
from lab.checks.traffic import Traffic
from lab.checks.udp import Udp
from lab.checks.where import Where

CHECKS: dict[str, type[Check]] = {
    Arp.kind: Arp,
    Path.kind: Path,
    TcpHandshake.kind: TcpHandshake,
    TcpData.kind: TcpData,
    TcpClose.kind: TcpClose,
    TcpRefused.kind: TcpRefused,
    TcpTimeout.kind: TcpTimeout,
    TcpRetransmit.kind: TcpRetransmit,
    TcpWindow.kind: TcpWindow,
    TcpCongestion.kind: TcpCongestion,
    Connections.kind: Connections,
    RoundTrips.kind: RoundTrips,
    Reach.kind: Reach,
    Output.kind: Output,
    Sockets.kind: Sockets,
    Raw.kind: Raw,
    FaultStruck.kind: FaultStruck,
    Where.kind: Where,
    State.kind: State,
    Traffic.kind: Traffic,
    Answer.kind: Answer,
    Python.kind: Python,
    Udp.kind: Udp,
    Compare.kind: Compare,
    Dns.kind: Dns,
    Http.kind: Http,
    Tls.kind: Tls,
    Icmp.kind: Icmp,
    Ndp.kind: Ndp,
}
CHECKS |= of_packages(CHECKS)

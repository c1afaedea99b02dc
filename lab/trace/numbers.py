"""Numbers that name protocols and header bits (IANA), shared by the modules that decode."""

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
VLAN, VLAN_SERVICE, VLAN_OLD = 0x8100, 0x88A8, 0x9100  # 802.1Q, 802.1ad, and the tag that came before 802.1ad

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60

LINK_ETHERNET, LINK_RAW, LINK_IPV4, LINK_IPV6 = 1, 101, 228, 229
LINK_RAW_OLD, LINK_RAW_OPENBSD = 12, 14  # what libpcap called raw IP before it had a number of its own for files
LINK_NULL, LINK_LOOP = 0, 108  # loopback of BSD and macOS: in the byte order of the machine, of the network
LINK_SLL, LINK_SLL2 = 113, 276  # Linux's cooked captures, as of `tcpdump -i any`
LINKS = frozenset((  # those that are decoded
    LINK_ETHERNET, LINK_RAW, LINK_IPV4, LINK_IPV6, LINK_RAW_OLD, LINK_RAW_OPENBSD,
    LINK_NULL, LINK_LOOP, LINK_SLL, LINK_SLL2,
))  # fmt: skip

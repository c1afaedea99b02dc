"""A call that has to end with an error, as an exercise writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.checks.call_order import NAMES
from lab.grammar import Context, Refused, ScalarGrammar, Schema
from lab.grammar.base import close
from lab.yaml.text import show

# Linux's, as strace writes them. Not Python's `errno.errorcode`: it has other names on other systems, and for one
# number of Linux ENOTSUP, where strace says EOPNOTSUPP.
_LINUX = """
E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EADV EAFNOSUPPORT EAGAIN EALREADY EBADE EBADF EBADFD EBADMSG EBADR EBADRQC
EBADSLT EBFONT EBUSY ECANCELED ECHILD ECHRNG ECOMM ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM
EDOTDOT EDQUOT EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR
EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC ELIBMAX ELIBSCN
ELNRNG ELOOP EMEDIUMTYPE EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENAVAIL ENETDOWN ENETRESET ENETUNREACH
ENFILE ENOANO ENOBUFS ENOCSI ENODATA ENODEV ENOENT ENOEXEC ENOKEY ENOLCK ENOLINK ENOMEDIUM ENOMEM ENOMSG ENONET
ENOPKG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTBLK ENOTCONN ENOTDIR ENOTEMPTY ENOTNAM ENOTRECOVERABLE ENOTSOCK
ENOTTY ENOTUNIQ ENXIO EOPNOTSUPP EOVERFLOW EOWNERDEAD EPERM EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE
ERANGE EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL EROFS ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT ESTALE
ESTRPIPE ETIME ETIMEDOUT ETOOMANYREFS ETXTBSY EUCLEAN EUNATCH EUSERS EXDEV EXFULL
"""
_ERRORS = tuple(_LINUX.split())
_ALSO = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP", "EDEADLOCK": "EDEADLK"}  # other names of the same numbers


@dataclass(frozen=True)
class Failure:
    """A call that has to end with an error."""

    name: str
    error: str

    def __str__(self) -> str:
        return f"{self.name} with {self.error}"


class FailureText(ScalarGrammar[Failure]):
    """A call and its error."""

    expected = "a call and its error, such as bind with EADDRINUSE"
    sample = "bind with EADDRINUSE"
    _form = rf"({'|'.join(NAMES)}) with (E[A-Z0-9]{{2,20}})"

    def parse(self, text: str, context: Context) -> Failure:
        """The call and the errno's name; raises `Refused`."""
        found = re.fullmatch(self._form, text)
        if not found:
            raise Refused(f"{show(text)} is not {self.expected}", f"the calls are {', '.join(NAMES)}")
        error = _ALSO.get(found[2], found[2])
        if error not in _ERRORS:
            meant = close(error, _ERRORS)
            hint = f"did you mean {found[1]} with {meant}?" if meant else "errno(3) names them, such as ECONNREFUSED"
            raise Refused(f"Linux has no error {error}", hint)
        return Failure(found[1], error)

    def plain_schema(self) -> Schema:
        """The form."""
        return {"type": "string", "pattern": f"^{self._form}$"}

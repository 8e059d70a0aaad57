"""The simple 1-RTT handshake of RFC 8448, section 3: published values of every step."""

from __future__ import annotations


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


SHARED = octets("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
HELLO_HASH = octets("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
"""ClientHello and ServerHello."""
FINISHED_HASH = octets("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13")
"""Up to the server's Finished."""
HANDSHAKE_SECRET = octets("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac")
MASTER_SECRET = octets("18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919")
CLIENT_HANDSHAKE = octets("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
SERVER_HANDSHAKE = octets("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
SERVER_HANDSHAKE_KEY = octets("3fce516009c21727d0f2e4e86ee403bc")
SERVER_HANDSHAKE_IV = octets("5d313eb2671276ee13000b30")
CLIENT_APPLICATION = octets("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
SERVER_APPLICATION = octets("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
CLIENT_VERIFY_DATA = octets("a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61")
CLIENT_DATA = bytes(range(50))
CLIENT_DATA_RECORD = octets(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62"
    "974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
)
CLIENT_CLOSE_RECORD = octets("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")
"""close_notify, the client's second application record."""

"""Web Push: the encryption of a message (RFC 8291 over RFC 8188) and the sender's signed identity (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CURVE = ec.SECP256R1()
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
COORDINATE_BYTES = 32
RECORD_BYTES = 4096
"""One record holds any message that push services take."""
MAX_MESSAGE_BYTES = 3_000
"""Push services must take 4,096 bytes after encryption."""
TOKEN_LIFETIME = timedelta(hours=12)
"""Push services refuse tokens of more than 24 hours."""


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(
            text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True
        )
    except binascii.Error as error:
        raise ValueError(str(error)) from error


class VapidKey:
    """The key pair that identifies this Relais to push services."""

    def __init__(self, secret: str) -> None:
        """`secret`: 32 bytes as base64url. Any bytes give a valid key."""
        number = int.from_bytes(from_base64url(secret)) % (CURVE_ORDER - 1) + 1
        self._private_key = ec.derive_private_key(number, CURVE)

    @property
    def public_key(self) -> str:
        """The `applicationServerKey` of the page."""
        return to_base64url(_point(self._private_key.public_key()))

    def authorization(self, endpoint: str, *, contact: str, at: datetime) -> str:
        """The Authorization header for one push service."""
        service = urlsplit(endpoint)
        claims = {
            "aud": f"{service.scheme}://{service.netloc}",
            "exp": int((at + TOKEN_LIFETIME).timestamp()),
            "sub": contact,
        }
        unsigned = f"{_json_part({'typ': 'JWT', 'alg': 'ES256'})}.{_json_part(claims)}"
        signature = self._private_key.sign(unsigned.encode(), ec.ECDSA(hashes.SHA256()))
        # JWT wants the two numbers of the signature side by side, not as DER.
        numbers = b"".join(number.to_bytes(COORDINATE_BYTES) for number in decode_dss_signature(signature))
        return f"vapid t={unsigned}.{to_base64url(numbers)}, k={self.public_key}"


@dataclass(frozen=True)
class BrowserKeys:
    """What a browser gives with its subscription, decoded."""

    public_key: bytes
    auth_secret: bytes

    @classmethod
    def parse(cls, p256dh: str, auth: str) -> BrowserKeys:
        """Raises ValueError."""
        keys = cls(from_base64url(p256dh), from_base64url(auth))
        if len(keys.public_key) != 1 + 2 * COORDINATE_BYTES or len(keys.auth_secret) != 16:
            raise ValueError("the keys of a subscription have 65 and 16 bytes")
        return keys


def encrypt(message: bytes, keys: BrowserKeys) -> bytes:
    """The body of the request, readable by that browser only. Raises ValueError if its key is not on the curve."""
    browser_key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, keys.public_key)
    own_key = ec.generate_private_key(CURVE)  # a new one for each message
    own_point, salt = _point(own_key.public_key()), os.urandom(16)
    shared_secret = own_key.exchange(ec.ECDH(), browser_key)
    key_info = b"WebPush: info\x00" + keys.public_key + own_point
    input_key = _derive(keys.auth_secret, shared_secret, key_info, 32)
    content_key = _derive(salt, input_key, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derive(salt, input_key, b"Content-Encoding: nonce\x00", 12)
    header = salt + struct.pack("!LB", RECORD_BYTES, len(own_point)) + own_point
    last_record = message + b"\x02"
    return header + AESGCM(content_key).encrypt(nonce, last_record, None)


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _json_part(fields: dict[str, object]) -> str:
    return to_base64url(json.dumps(fields, separators=(",", ":")).encode())

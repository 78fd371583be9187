"""Ed25519 as docs/format.md, section 1.5, has it: the library verifies, and here is what it does not look at."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1)


def add(a, b):
    """The sum of two points of the twisted Edwards curve, affine: slow, and plain to read."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P)
    return x3 % P, y3 % P


def multiply(scalar, point):
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def decode(encoded):
    """The point, or None where the bytes are none or not its canonical encoding."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(encoded) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_ONE % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


def is_of_small_order(point):
    return multiply(8, point) == NEUTRAL


_valid = {}


def is_valid_key(key):
    """Canonical, not of small order, without a torsion part."""
    if key not in _valid:
        point = decode(key)
        _valid[key] = point is not None and not is_of_small_order(point) and multiply(L, point) == NEUTRAL
    return _valid[key]


def is_valid_signature(key, message, signature):
    if not is_valid_key(key) or len(signature) != 64:
        return False
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    r = decode(signature[:32])
    if r is None or is_of_small_order(r):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True

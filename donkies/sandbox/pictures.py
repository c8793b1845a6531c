"""Small PNG pictures, drawn here so that the sandbox needs no image library.

They are the logos of the institutions and the pictures of the image challenges.
"""

import base64
import functools
import hashlib
import struct
import zlib

# Five columns a letter, lowest bit on top: the usual 5 x 7 dot font.
_COLUMNS = {
    "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941",
    "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
    "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e",
    "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807",
    "Z": "6151494543", "c": "3844444420", "e": "3854545418", "o": "3844444438", "r": "7c08040408",
    "t": "043f444020",
}  # fmt: skip
_LETTER_ROWS = 7
_ADVANCE = 6

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
INK: Colour = (31, 41, 55)


class Canvas:
    """A picture of `width` x `height` pixels."""

    def __init__(self, width: int, height: int, ground: Colour = WHITE) -> None:
        self.width = width
        self.height = height
        self._rows = [bytearray(bytes(ground) * width) for _ in range(height)]

    def fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Fill a rectangle; what lies outside the picture is left out."""
        left, right = max(0, x), min(self.width, x + width)
        for row in self._rows[max(0, y) : max(0, y + height)]:
            if right > left:
                row[left * 3 : right * 3] = bytes(colour) * (right - left)

    def write(self, text: str, x: int, y: int, size: int, colour: Colour) -> None:
        """Write text in dots of `size` pixels from its upper left corner."""
        for letter in text:
            for column, bits in enumerate(bytes.fromhex(_COLUMNS[letter])):
                for row in range(_LETTER_ROWS):
                    if bits >> row & 1:
                        self.fill(x + column * size, y + row * size, size, size, colour)
            x += _ADVANCE * size

    def png(self) -> bytes:
        """Encode as PNG, 8 bit RGB."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self._rows), 9)
        chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )


def data_uri(png: bytes) -> str:
    """Spell a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@functools.cache
def word(text: str) -> bytes:
    """Draw a readable word, as an image challenge does."""
    size = 5
    canvas = Canvas(len(text) * _ADVANCE * size + 15, 65, (238, 242, 255))
    for x in range(0, canvas.width, 12):  # stripes, so that it looks like what it plays
        canvas.fill(x, 0, 2, canvas.height, (224, 231, 255))
    canvas.write(text, 10, 15, size, INK)
    return canvas.png()


@functools.cache
def shape(name: str) -> bytes:
    """Draw a circle, a square or a triangle, 96 x 96."""
    canvas = Canvas(96, 96)
    colour = {"circle": (37, 99, 235), "square": (220, 38, 38), "triangle": (5, 150, 105)}[name]
    for y in range(12, 84):
        if name == "circle":
            half = int((36**2 - (y - 47.5) ** 2) ** 0.5) if abs(y - 47.5) < 36 else 0
        else:
            half = 36 if name == "square" else (y - 11) // 2
        canvas.fill(48 - half, y, 2 * half, 1, colour)
    return canvas.png()


@functools.cache
def logo(code: str, name: str, side: int) -> bytes:
    """Draw an institution's initials on a colour of its own, `side` x `side` pixels."""
    shade = hashlib.blake2b(code.encode(), digest_size=3).digest()
    canvas = Canvas(side, side, (shade[0] // 2, shade[1] // 2, shade[2] // 2))
    words = name.split()
    initials = (words[0][0] + words[-1][0]).upper()
    size = side // 16
    width = (len(initials) * _ADVANCE - 1) * size
    canvas.write(initials, (side - width) // 2, (side - _LETTER_ROWS * size) // 2, size, WHITE)
    return canvas.png()

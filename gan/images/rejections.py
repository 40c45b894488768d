"""Why a file is not in a galaxy set: one exception, a fixed vocabulary of reasons."""

from __future__ import annotations

REASONS = {
    "empty": "file of zero bytes",
    "unreadable": "could not be read from the disk or archive",
    "not-an-image": "no image format that is accepted (JPEG, PNG, TIFF, BMP, WebP, GIF, PPM, FITS)",
    "nested-archive": "an archive inside the source: unpack it and give it as SOURCE",
    "array-file": "an array file inside a folder: give it as SOURCE itself",
    "encrypted": "encrypted archive member",
    "truncated": "ends before the image does",
    "damaged": "the decoder found an error",
    "wrong-mode": "not 8-bit RGB and not convertible without a guess",
    "wrong-shape": "not a square image of three bands",
    "wrong-values": "numbers that are no image: outside the accepted range or not finite",
    "bad-pixels": "too many pixels without data",
    "several-frames": "an animation or a stack of pages",
    "too-large": "more pixels or bytes than accepted (decompression bomb)",
    "too-small": "smaller than the largest size asked for",
    "not-square": "width and height differ (--crop takes the central square)",
    "duplicate-file": "the same bytes as an earlier file",
    "duplicate-pixels": "the same prepared pixels as an earlier file",
    "no-counterpart": "one of the two images of a pair is missing",
    "not-registered": "the two images of a pair do not show the same sky",
    "bad-position": "ra, dec or size is missing or out of range",
    "duplicate-row": "a row of a table that is there twice",
    "rejected": "the service refuses the request",
    "no-coverage": "the survey has no image there",
    "unanswered": "the service gave no usable answer",
    "crashed": "ended the process that read it, twice",
    "timeout": "took too long to decode",
}


class Refused(Exception):
    """One image cannot be used.

    Attributes
    ----------
    reason : str
        A key of `REASONS`.
    detail : str
        What was found, in a few words.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail or REASONS[reason]

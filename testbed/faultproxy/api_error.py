"""The error answers of the API: `{"error": …, "status": …}`."""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is an error, with its HTTP status.

    `field` is the wrong field of what was read, such as `attributes.latency`, and `found` the value that it had; without a field, the
    whole of it is wrong. Toxiproxy's own messages have neither, so they are told only where Toxiproxy has no message.
    """

    def __init__(self, message: str, status: int, field: str = "", found: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.found = found

    def answer(self) -> dict[str, object]:
        """Return the answer's body."""
        return {"error": str(self), "status": self.status}


def bad_body(reason: str, field: str = "", found: object = None) -> ApiError:
    """Return the error of a body that cannot be read."""
    return ApiError(f"bad request body: {reason}", 400, field, found)

"""The error answers of the API: `{"error": …, "status": …}`."""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is an error, with its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> dict[str, object]:
        """Return the answer's body."""
        return {"error": str(self), "status": self.status}


def bad_body(reason: str) -> ApiError:
    """Return the error of a body that cannot be read."""
    return ApiError(f"bad request body: {reason}", 400)

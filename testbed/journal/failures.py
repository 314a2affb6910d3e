"""When the facility counts as out of service though nobody hangs: the one rule, for the replay as answers come and for the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

OUT_S = 1.0  # real seconds for which everything fails until it is looked at: by then stale connections are used up, an error each


@dataclass(slots=True)
class Failures:
    """The transactions that failed since one was answered, of those that need the facility.

    `callers`: those whose passengers ask for such. All times are on the journal's `t_s`.
    """

    callers: frozenset[str]
    _ended_s: list[float] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set)
    _all_failed_s: float = float("inf")

    def take(self, caller: str, ended_s: float, *, answered: bool) -> None:
        """Count a transaction that needed the facility, and ended."""
        if answered:
            self._ended_s, self._failed, self._all_failed_s = [], set(), float("inf")
            return
        self._ended_s.append(ended_s)
        self._failed.add(caller)
        if self._failed >= self.callers:
            self._all_failed_s = min(self._all_failed_s, ended_s)

    def since_s(self, most: float) -> float | None:
        """Return since when more than `most` have failed in a row, some of every caller; None if not so many have, or not of all."""
        if not self.callers or len(self._ended_s) <= most or self._all_failed_s == float("inf"):
            return None
        return max(self._ended_s[int(most)], self._all_failed_s)

    @property
    def last_s(self) -> float:
        """When the last of them failed; minus infinity if none has since the last answer."""
        return self._ended_s[-1] if self._ended_s else float("-inf")

"""Where clean-ups stand: in a finally, and in methods whose whole work they are; and the rules about two of them in a row."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from testbed.lint import instead, receivers
from testbed.lint.finding import AWAIT_BEFORE_CLEAN_UP, CANCELLED_CLEAN_UP, CLEAN_UP_SKIPPED, MEMBER_SKIPPED, Finding, Rule
from testbed.lint.flow import Flow, Skip
from testbed.lint.place import place_of
from testbed.lint.scopes import Scope
from testbed.lint.steps import GIVES_BACK, Step, one_line, words

CLOSERS = words(
    """
    __exit__ __aexit__ close aclose stop shutdown disconnect dispose cleanup teardown tearDown asyncTearDown tearDownClass
    teardown_method server_close release
    """
)
MOST_NAMED = 3  # clean-ups that a sentence names


@dataclass(frozen=True, slots=True)
class Block:
    """Statements that clean up; `rule` is what a clean-up is reported under that another skips."""

    statements: list[ast.stmt]
    rule: Rule
    talking_only: bool = False  # what is not known to talk to anybody does not raise: methods close a lot that cannot


def findings(scope: Scope) -> Iterator[Finding]:
    """Yield what is found in the clean-ups of a function: of each block, at most one finding of a rule."""
    seen: set[tuple[ast.expr, ast.expr]] = set()
    for block in _blocks(scope):
        flow = Flow(scope.is_async, partial(_may_raise, scope, block), [])
        flow.through(block.statements)
        by_rule: dict[Rule, list[Skip]] = {}
        for skip in flow.skips:
            pair = (skip.by.node, skip.step.call)
            rule = _rule(skip, block.rule)
            if rule is not None and pair not in seen and _matters(skip, scope):
                seen.add(pair)
                by_rule.setdefault(rule, []).append(skip)
        yield from (_finding(rule, skips) for rule, skips in by_rule.items())


def _blocks(scope: Scope) -> Iterator[Block]:
    """Yield those of a function: the finallys, the outer before the inner, and then all of it where it only cleans up."""
    for node in scope.nodes:
        if isinstance(node, ast.Try) and node.finalbody:
            yield Block(node.finalbody, CLEAN_UP_SKIPPED)
    if scope.name in CLOSERS and scope.in_class:
        yield Block(scope.body, MEMBER_SKIPPED, talking_only=scope.name not in ("__exit__", "__aexit__"))


def _may_raise(scope: Scope, block: Block, step: Step) -> bool:
    return receivers.may_raise(step.receiver, step.method, scope.made, talking_only=block.talking_only)


def _rule(skip: Skip, of_block: Rule) -> Rule | None:
    if skip.by.cancelled_only:
        return CANCELLED_CLEAN_UP
    if skip.by.step is None:
        return AWAIT_BEFORE_CLEAN_UP if of_block is CLEAN_UP_SKIPPED else None
    return of_block


def _matters(skip: Skip, scope: Scope) -> bool:
    """Whether something stays out when a clean-up is skipped that was not cleaned up before."""
    if receivers.kind_of(skip.step.resource, scope.made) == "file":
        return False
    first = skip.by.step
    if first is None or first.resource != skip.step.resource or skip.step.method in GIVES_BACK - {first.method}:
        return True
    return first.method not in (skip.step.method, "close", "aclose")


def _finding(rule: Rule, skips: list[Skip]) -> Finding:
    """Return the finding of some skips of one rule: at the first that raises, with all that the first skips."""
    by = skips[0].by
    steps = [skip.step for skip in skips if skip.by.node is by.node]
    how = "may be cancelled" if by.cancelled_only or by.step is None else "may raise or be cancelled" if by.step.awaited else "may raise"
    if by.cancelled_only:
        how += ", which its guard does not catch"
    sentence = f"`{one_line(by.node)}` {how}, and then {_named(steps)} skipped"
    return Finding(place_of(by.node), rule, sentence, instead.nested([by.node, *(step.call for step in steps)]))


def _named(steps: list[Step]) -> str:
    """Return the clean-ups that are skipped as the subject of a sentence, with its verb."""
    names = [f"`{step.text}` (line {step.call.lineno})" for step in steps[:MOST_NAMED]]
    if len(steps) > MOST_NAMED:
        names.append(f"{len(steps) - MOST_NAMED} more")
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:-1])} and {names[-1]} are"

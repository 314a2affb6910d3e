from __future__ import annotations

import io

from rich.console import Console

from testbed.experiments.scan import text
from testbed.experiments.scan.effect import VariantScan
from testbed.plan.settings import FacilitySettings
from testbed.plan.topology import FacilityPlan, integration_points
from testbed.report.terminal import plain_console
from tests.experiments.scan.scans import effect, over, scan


def drawn(over: VariantScan) -> str:
    """Draw the table as on a terminal of 80 columns."""
    out = io.StringIO()
    console: Console = plain_console(file=out, width=80)
    console.print(text.table(over))
    return out.getvalue().replace(text.NO_BREAK, " ")


def test_the_map_has_a_line_for_all_links_over_which_the_same_connect() -> None:
    """From the passengers to the database; service groups are seen in it."""
    assert text.map_lines(over()) == ("passengers ─> kiosk, ivr", "kiosk, ivr ─> cf-1, cf-2", "cf-1, cf-2 ─> database")
    groups = integration_points(FacilityPlan(callers=("kiosk", "ivr")), FacilitySettings(service_groups=True))
    assert text.map_lines(over().model_copy(update={"points": groups}))[1:3] == ("kiosk ─> cf-1", "ivr ─> cf-2")


def test_the_table_has_a_row_for_each_fault_and_a_column_for_each_link_that_was_broken() -> None:
    """In the order of the map; what was not tried is told from what goes on, and a share is rounded down."""
    lines = drawn(over())
    assert lines.split()[:4] == ["fault", "ivr", "cf-1", "database"]
    assert "hurts 88 %" in lines
    assert "56 to 99 %" in lines
    assert lines.index("backlog_full") < lines.index("refuse") < lines.index("silence")
    assert "kiosk" not in lines


def test_the_table_of_the_small_morning_fits_80_columns() -> None:
    """With two application servers and two callers, and the longest of words in every cell."""
    points = over().points
    effects = tuple(effect(point.link, "backlog_full", "hurts", 8) for point in points)
    lines = drawn(VariantScan(variant="original", points=points, control=over().control, effects=effects))
    assert lines.count("hurts 88 %") == lines.count("56 to 99 %") == len(points) == 5
    assert all(point.link in lines for point in points)


def test_words_without_a_number_are_given_one_below_the_table() -> None:
    """The one of the fewest transactions, which is the least sure."""
    more = effect("database", "reset", "stops", due=36, low=0.0, high=0.1)
    assert text.certainty_lines(over(effects=(*over().effects, more))) == [
        "stops: 0 of 9 at the fewest, so up to 30 % are answered, at 95 %",
        "goes on: 9 of 9 at the fewest, so at least 70 % are answered, at 95 %",
    ]


def test_the_list_names_the_single_points_and_what_is_none() -> None:
    """With the faults that make them so."""
    assert text.single_point_lines(over(), "check_in") == [
        "Single points of failure of check_in, over original:",
        "  cf-1: silence",
        "  database: refuse, silence",
        "Nothing that was tried stops it at: ivr",
    ]
    held = over("hardened", tuple(effect for effect in over().effects if effect.effect == "goes on"))
    assert text.single_point_lines(held, "check_in")[0] == "Single points of failure of check_in, over hardened: none"


def test_what_is_unknown_is_listed_with_the_reason() -> None:
    """And before it that something was amiss with nothing broken."""
    assert text.unknown_lines(over()) == ["unknown: ivr silence: the open loop was late"]
    amiss = over(control=effect("", "nothing", "hurts", 8))
    assert text.unknown_lines(amiss)[0].startswith(
        "the control run over original, with nothing broken, does not go on (8 of 9 were answered)"
    )


def test_the_page_has_map_table_and_list_of_each_variant() -> None:
    """With counts, and with what became of the airline."""
    page = text.markdown(scan(over(), over("hardened", over().effects[3:4])))
    assert page.startswith("# Which links stop check_in\n")
    assert "Left out: fault 'flood' needs 'firewall', which runtime 'processes' does not provide." in page
    assert "## original\n\n    passengers ─> kiosk, ivr\n" in page
    assert "| fault | ivr | cf-1 | database |\n| --- | --- | --- | --- |\n| `backlog_full` | - | hurts (8 of 9: 56 to 99 %); " in page
    assert "- database: refuse, silence\n" in page
    assert "## hardened\n" in page

"""Reports in a real browser: what is drawn is what SQL says, and nothing that was named runs.

Screenshots are left in `build/report-screenshots`, to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.generated import write_generated
from tests.report.browsing import READY, Opened, needs_browser
from tests.report.hostile import ATTACK, write_hostile
from tests.report.test_report_lanes import ROWS
from uringtrace.tracer.record import Kind
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import read_report
from uringtrace.ui.report.page import fragment, page
from uringtrace.ui.report.timeline import MOST_DRAWN

pytestmark = needs_browser()


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read_report(open_recording(write_generated(tmp_path_factory.mktemp("large") / "run", ROWS)))


def test_figures_hold_what_sql_answers(
    visit: Callable[..., Opened], demo: Any, demo_path: Path, ask: Any
) -> None:
    opened = visit(page(demo))
    step = demo.times.step_ns
    drawn = opened.run("traces('throughput').filter(t => t.stackgroup).map(t => [t.name, [...t.y]])")
    ended_s = demo.ended_ns / 1e9
    for name, rates in drawn[:3]:
        (total,) = ask(demo_path, f"SELECT count(*) FROM operations WHERE operation = '{name}'")[0]
        lengths = [step / 1e9] * (len(rates) - 1) + [ended_s - (len(rates) - 1) * step / 1e9]
        assert sum(rate * length for rate, length in zip(rates, lengths, strict=True)) == pytest.approx(total)
    heat = opened.run("[...traces('heat-map')[0].customdata].flatMap(row => [...row])")
    expected = ask(demo_path, "SELECT count(latency_ns) FROM operations WHERE interface = 'io_uring'")
    assert [(sum(heat),)] == expected
    paths = opened.run("traces('paths').map(t => [t.name, t.y, [...t.customdata]])")
    for name, operations, counts in paths:
        for operation, count in zip(operations, counts, strict=True):
            ((found,),) = ask(
                demo_path,
                f"SELECT count(*) FROM operations WHERE path = '{name}' AND operation = '{operation}' "
                "AND kind = 'COMPLETION'",
            )
            assert found == count
    connections = opened.run(
        "traces('connections').flatMap(t => [...t.x].map((x, i) => [t.base[i], t.base[i] + x]))"
    )
    lives = ask(
        demo_path,
        "SELECT (began_ns - started_ns) / 1e9, (connections.ended_ns - started_ns) / 1e9 "
        "FROM connections, meta",
    )
    assert sorted(map(tuple, connections)) == [pytest.approx(each) for each in sorted(lives)]
    threads = opened.run("traces('threads').map(t => [t.name, [...t.x]])")
    waiting = ask(demo_path, "SELECT slept_ns FROM threads ORDER BY tgid, tid")
    assert threads[0][0] == "waiting in calls"
    assert threads[0][1] == pytest.approx([slept / demo.ended_ns for (slept,) in waiting])
    opened.innocent()
    opened.keep("demo")


def test_zooming_turns_cells_into_the_operations_of_the_window(
    visit: Callable[..., Opened], demo: Any, demo_path: Path, ask: Any
) -> None:
    """First cells and the slowest; in a short window the bars are exactly the rows of SQL."""
    opened = visit(page(demo))
    assert opened.run("report.state.bars") is None
    kinds = opened.run("report.plots.get('timeline').data.map(t => t.type)")
    assert kinds[0] == "heatmap"
    assert "Aggregated" in opened.page.inner_text(".timeline-said")
    cells = opened.run("report.plots.get('timeline').data[0].text.flat().filter(Boolean).length")
    assert cells == len(demo.lanes.cells.count)

    began, ended = 0.9, 0.95
    opened.show(began, ended)
    bars = opened.bars()
    found = [(int(demo.lanes.bars.began_ns[i]), int(demo.lanes.bars.ended_ns[i])) for i in bars]
    expected = ask(
        demo_path,
        f"""SELECT COALESCE(previous_ns, submitted_ns) - started_ns AS began, completed_ns - started_ns
            FROM operations, meta WHERE completed_ns - started_ns >= {began * 1e9:.0f}
            AND COALESCE(previous_ns, submitted_ns) - started_ns <= {ended * 1e9:.0f}""",
    )
    assert sorted(found) == sorted(expected)
    assert 0 < len(found) <= MOST_DRAWN
    assert f"{len(found)} operations" in opened.page.inner_text(".timeline-said")
    drawn = opened.run(
        "report.plots.get('timeline').data.filter(t => t.type === 'bar')"
        ".flatMap(t => t.customdata.map((i, p) => [i, t.base[p], t.x[p]]))"
    )
    for index, base, length in drawn:
        assert base == pytest.approx(demo.lanes.bars.began_ns[index] / 1e9)
        assert base + length == pytest.approx(demo.lanes.bars.ended_ns[index] / 1e9)
    wakes = opened.run("report.plots.get('timeline').data.find(t => t.name === 'wake-up').x.length")
    ((woken,),) = ask(
        demo_path,
        f"""SELECT count(*) FROM operations, meta WHERE woken_ns IS NOT NULL
            AND completed_ns - started_ns >= {began * 1e9:.0f}
            AND submitted_ns - started_ns <= {ended * 1e9:.0f}""",
    )
    assert wakes == woken
    opened.page.evaluate("document.querySelector('#figure-timeline').scrollIntoView()")
    opened.keep("demo-zoomed")
    opened.innocent()


@pytest.mark.long
def test_all_figures_over_time_share_one_window(visit: Callable[..., Opened], demo: Any) -> None:
    """Dragging in one of them, keys, the fields and the buttons: the others follow."""
    opened = visit(page(demo))
    over_time = opened.run("report.data.overTime")
    ranges = (
        "report.data.overTime.map(name => "
        "[...report.plots.get(name)._fullLayout.xaxis.range].map(x => +x.toFixed(6)))"
    )

    def all_at() -> list[float]:
        opened.page.wait_for_timeout(150)
        found = opened.run(ranges)
        assert all(each == found[0] for each in found), dict(zip(over_time, found, strict=True))
        return found[0]

    whole = round(demo.ended_ns / 1e9, 6)
    assert all_at() == [0, whole]
    box = opened.page.locator("[data-figure=in-flight] .nsewdrag").first.bounding_box()
    opened.page.locator("[data-figure=in-flight]").scroll_into_view_if_needed()
    box = opened.page.locator("[data-figure=in-flight] .nsewdrag").first.bounding_box()
    middle = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    opened.page.mouse.up()
    opened.page.wait_for_function(f"{READY}.then(r => r.state.from > 0.1)")
    began, ended = all_at()
    assert began == pytest.approx(whole * 0.25, abs=whole / 50)
    assert ended == pytest.approx(whole * 0.5, abs=whole / 50)

    opened.page.locator("[data-figure=in-flight]").focus()
    opened.page.keyboard.press("+")
    opened.page.wait_for_function(f"{READY}.then(r => r.state.to - r.state.from < {(ended - began) * 0.6})")
    shorter = all_at()
    assert shorter[1] - shorter[0] == pytest.approx((ended - began) / 2, rel=1e-3)
    opened.page.keyboard.press("0")
    opened.page.wait_for_function(f"{READY}.then(r => r.state.from === 0)")
    assert all_at() == [0, whole]

    opened.page.locator("input.to").fill("0.5")
    opened.page.locator("input.to").press("Tab")
    opened.page.wait_for_function(f"{READY}.then(r => r.state.to === 0.5)")
    assert all_at() == [0, 0.5]
    opened.page.locator("button[data-action=right]").click()
    opened.page.wait_for_function(f"{READY}.then(r => r.state.from === 0.25)")
    assert all_at() == [0.25, 0.75]
    opened.innocent()


@pytest.mark.long
def test_hovering_names_the_operation(visit: Callable[..., Opened], demo: Any) -> None:
    opened = visit(page(demo))
    opened.show(0.9, 0.92)
    opened.page.locator("[data-figure=timeline]").scroll_into_view_if_needed()
    bars = opened.page.evaluate(
        """() => { const plot = document.querySelector('[data-figure=timeline]');
        const frame = plot.querySelector('.nsewdrag').getBoundingClientRect();
        return [...plot.querySelectorAll('.barlayer .point path')].map(path => path.getBoundingClientRect())
          .filter(box => box.left > frame.left && box.right < frame.right)
          .map(box => [box.width, box.left + box.width / 2, box.top + box.height / 2]); }"""
    )
    _, x, y = max(bars)
    opened.page.mouse.move(x - 30, y - 30)
    opened.page.mouse.move(x, y, steps=4)
    opened.page.wait_for_selector("[data-figure=timeline] .hoverlayer .hovertext", timeout=5000)
    said = opened.page.text_content("[data-figure=timeline] .hoverlayer .hovertext")
    assert any(name in said for name in demo.lanes.operations), said
    assert "thread" in said
    opened.innocent()


def test_tables_are_searched_and_sorted(
    visit: Callable[..., Opened], demo: Any, demo_path: Path, ask: Any
) -> None:
    opened = visit(page(demo))
    shown = "[...document.querySelectorAll('table[data-sorts=slowest] tbody tr')].filter(r => !r.hidden)"
    opened.page.fill("input[data-searches=slowest]", "fsync")
    rows = opened.page.evaluate(f"{shown}.map(r => r.cells[1].textContent)")
    assert set(rows) == {"FSYNC"}
    assert len(rows) == sum(row.operation == "FSYNC" for row in demo.slowest)
    assert opened.page.inner_text("[data-found=slowest]") == f"{len(rows)} of {len(demo.slowest)} rows"
    opened.page.fill("input[data-searches=slowest]", "no such thing")
    assert opened.page.evaluate(f"{shown}.length") == 0
    opened.page.fill("input[data-searches=slowest]", "")

    opened.page.click("table[data-sorts=operations] th:nth-child(3) button")
    counts = opened.page.evaluate(
        "[...document.querySelectorAll('table[data-sorts=operations] tbody tr')]"
        ".map(row => Number(row.cells[2].dataset.value))"
    )
    expected = ask(
        demo_path,
        "SELECT count(*) FROM operations WHERE kind = 'COMPLETION' GROUP BY operation ORDER BY 1 DESC",
    )
    assert [count for count in counts if count] == [count for (count,) in expected]
    head = opened.page.locator("table[data-sorts=operations] th:nth-child(3)")
    assert head.get_attribute("aria-sort") == "descending"
    opened.page.locator("table[data-sorts=operations] th:nth-child(3) button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"

    opened.page.click("table[data-sorts=slowest] tbody tr:first-child button")
    opened.page.wait_for_function(f"{READY}.then(r => r.state.bars !== null)")
    slowest = demo.slowest[0]
    began = opened.run("report.state.from")
    assert began <= slowest.submitted_ns / 1e9 < opened.run("report.state.to")
    opened.innocent()


@pytest.mark.long
def test_a_large_recording_shows_windows(visit: Callable[..., Opened], large_report: Any) -> None:
    """Cells for all of it; each of the offered windows has every operation, when it is short enough."""
    opened = visit(page(large_report))
    assert "zoom into one of the windows" in opened.page.inner_text(".timeline-said")
    buttons = opened.page.locator("button[data-window]")
    assert buttons.count() == len(large_report.lanes.windows)
    bars = large_report.lanes.bars
    for place, window in enumerate(large_report.lanes.windows[:4]):
        if window.rows > MOST_DRAWN:
            continue
        buttons.nth(place).click()
        opened.page.wait_for_function(f"{READY}.then(r => r.state.bars === {window.rows})")
        inside = (bars.ended_ns >= window.began_ns) & (bars.began_ns <= window.ended_ns)
        assert opened.bars() == inside.nonzero()[0].tolist()
    opened.keep("large-zoomed")
    opened.innocent()


def test_names_of_the_target_stay_names(visit: Callable[..., Opened], tmp_path: Path) -> None:
    """On the page, in figures while hovered, and in a fragment on another page."""
    report = read_report(open_recording(write_hostile(tmp_path / "run")))
    opened = visit(page(report))
    assert opened.page.title().count(ATTACK) == 1
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("main a[href^=javascript]").count() == 0
    assert ATTACK in opened.page.inner_text("h1")
    ticks = opened.page.text_content("[data-figure=timeline] .yaxislayer-above") or ""
    assert "</script><img" in ticks
    opened.show(0, report.ended_ns / 1e9)
    hover = opened.run(
        "[...new Set(traces('timeline').filter(t => t.type === 'bar').flatMap(t => t.hovertext || []))]"
    )
    assert any("&lt;/script&gt;&lt;img" in text for text in hover)
    assert not any("<img" in text or "<a " in text for text in hover)
    for place in range(4):
        opened.page.evaluate(
            f"""async () => {{ const report = await {READY}, plot = report.plots.get('timeline');
                const curveNumber = plot.data.findIndex(t => t.type === 'bar' && t.x.length > {place});
                if (curveNumber >= 0) report.plotly.Fx.hover(plot, [{{ curveNumber, pointNumber: {place} }}]);
            }}"""
        )
    assert opened.page.locator("svg a").count() == 0
    opened.innocent()
    opened.keep("hostile")
    embedded = visit(f"<!doctype html><body>{fragment(report)}</body>", name="host.html")
    assert embedded.page.evaluate("document.querySelectorAll('img').length") == 0
    embedded.innocent()


HOST = """<!doctype html><html><head><title>host</title>
<style>* {{ font-size: 40px; }} td, figure, button {{ display: none !important; }}
.plot {{ background: red; }}</style>
</head><body><p id="operations">of the host</p><div id="theirs"></div>
{first}
{second}
<iframe srcdoc="{framed}" width="1200" height="500"></iframe>
</body></html>"""


def test_fragments_stand_in_another_page(visit: Callable[..., Opened], demo: Any) -> None:
    """Two on one page with one plotly.js, between hostile styles and the same ids; and in an iframe."""
    import html

    first = fragment(demo, ["timeline", "percentiles"], with_plotly=False)
    second = fragment(demo, ["throughput"])
    framed = html.escape(f"<body>{fragment(demo, ['paths'])}</body>")
    text = HOST.format(first=first, second=second, framed=framed)
    opened = visit(text, name="fragments.html")
    assert second.count("uringtrace-plotly") - first.count("uringtrace-plotly") == 1
    roots = "[...document.querySelectorAll('[data-uringtrace]')].map(e => e.shadowRoot)"
    drawn = opened.page.evaluate(f"{roots}.map(r => r.querySelectorAll('.plot .main-svg').length > 0)")
    assert drawn == [True, True]
    assert opened.page.evaluate("document.querySelectorAll('script[src]').length") == 0
    styles = opened.page.evaluate(
        f"{roots}.map(r => getComputedStyle(r.querySelector('figcaption')).fontSize)"
    )
    assert "40px" not in styles
    # plotly.js lays its parts over each other by styles, which are of the page's root.
    placed = opened.page.evaluate(
        f"{roots}.map(r => getComputedStyle(r.querySelectorAll('.plot .main-svg')[1]).position)"
    )
    assert placed == ["absolute", "absolute"]
    assert opened.page.evaluate(
        f"{roots}.every(r => getComputedStyle(r.querySelector('h2')).fontSize < '30px')"
    )
    assert opened.page.evaluate("getComputedStyle(document.querySelector('p')).fontSize") == "40px"
    assert opened.page.evaluate("document.querySelectorAll('#figure-timeline').length") == 0
    # Plotly of the page itself goes on working beside them.
    opened.page.evaluate(
        "async () => { const r = await document.querySelector('[data-uringtrace]').uringtrace;"
        "await r.plotly.newPlot('theirs', [{ y: [1, 2, 3] }]); }"
    )
    assert opened.page.locator("#theirs .main-svg").count() > 0
    inner = opened.page.frames[1]
    inner.wait_for_function("document.querySelector('[data-uringtrace]').dataset.uringtrace === 'ready'")
    assert inner.evaluate(
        "document.querySelector('[data-uringtrace]').shadowRoot.querySelectorAll('.main-svg').length"
    )
    # Pointing at a bar inside a shadow root.
    box = opened.page.evaluate(
        f"""() => {{ const plot = {roots}[0].querySelector('[data-figure=timeline]');
        plot.scrollIntoView({{ block: 'center' }});
        const frame = plot.querySelector('.nsewdrag').getBoundingClientRect();
        const box = [...plot.querySelectorAll('.barlayer .point path')]
          .map(path => path.getBoundingClientRect()).reduce((a, b) => (a.width > b.width ? a : b));
        const left = Math.max(box.left, frame.left), right = Math.min(box.right, frame.right);
        return [(left + right) / 2, box.top + box.height / 2]; }}"""
    )
    opened.page.mouse.move(box[0] - 20, box[1] - 20)
    opened.page.mouse.move(*box, steps=4)
    opened.page.wait_for_function(f"{roots}[0].querySelector('.hoverlayer .hovertext') !== null")
    # A zoom in one of the fragments is its own.
    opened.page.evaluate(
        "async () => { const [a] = document.querySelectorAll('[data-uringtrace]');"
        "await (await a.uringtrace).show(0.5, 0.6); }"
    )
    states = opened.page.evaluate(
        "async () => Promise.all([...document.querySelectorAll('[data-uringtrace]')]"
        ".map(async e => (await e.uringtrace).state.from))"
    )
    assert states == [0.5, 0]
    opened.innocent()
    opened.keep("fragments")


@pytest.mark.long
def test_dark_and_light_follow_the_reader(visit: Callable[..., Opened], demo: Any) -> None:
    light, dark = visit(page(demo)), visit(page(demo), dark=True)
    ground = "getComputedStyle(document.querySelector('.uringtrace')).backgroundColor"
    ink = "report.plots.get('in-flight')._fullLayout.font.color"
    assert light.page.evaluate(ground) == "rgb(255, 255, 255)"
    assert dark.page.evaluate(ground) == "rgb(18, 22, 26)"
    assert light.run(ink) != dark.run(ink)
    light.page.emulate_media(color_scheme="dark")
    light.page.wait_for_function(
        f"{READY}.then(r => r.plots.get('in-flight')._fullLayout.font.color === '{dark.run(ink)}')"
    )
    dark.keep("demo-dark")
    dark.innocent()


def test_every_figure_has_a_text_alternative_and_can_be_reached(
    visit: Callable[..., Opened], demo: Any
) -> None:
    opened = visit(page(demo))
    figures = opened.page.evaluate(
        "[...document.querySelectorAll('.plot')].map(e => [e.getAttribute('aria-label'), e.tabIndex, "
        "e.closest('figure').querySelector('figcaption').textContent])"
    )
    assert len(figures) == 9
    for label, tab, caption in figures:
        assert len(label) > 20
        assert tab == 0
        assert len(caption) > 20
    contrasts = opened.page.evaluate(
        """() => { const style = getComputedStyle(document.querySelector('.uringtrace'));
        const luminance = (c) => c.match(/[0-9a-f]{2}/gi).map(h => parseInt(h, 16) / 255)
          .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = luminance(style.getPropertyValue('--ground').trim());
        return ['--ink', '--soft', '--accent', '--alarm']
          .map(name => luminance(style.getPropertyValue(name).trim()))
          .map(l => (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05)); }"""
    )
    assert min(contrasts) >= 4.5
    unnamed = opened.page.evaluate(
        "[...document.querySelectorAll('main button, main input, main select')]"
        ".filter(e => !e.closest('.modebar'))"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length"
    )
    assert unnamed == 0


def test_printing_leaves_what_paper_can_show(visit: Callable[..., Opened], demo: Any) -> None:
    opened = visit(page(demo), dark=True)
    opened.page.emulate_media(media="print")
    hidden = opened.page.evaluate(
        "['nav', '.time', '.search'].map(s => getComputedStyle(document.querySelector(s)).display)"
    )
    assert hidden == ["none"] * 3
    assert (
        opened.page.evaluate("getComputedStyle(document.querySelector('.uringtrace')).color")
        == "rgb(0, 0, 0)"
    )
    assert opened.page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowY") == "visible"


@pytest.mark.long
def test_the_tables_of_an_empty_report_and_of_unfinished_operations(
    visit: Callable[..., Opened], scene: Any, tmp_path: Path
) -> None:
    from tests.recording.conftest import write_recording

    empty = read_report(open_recording(write_recording(tmp_path / "empty", [])))
    opened = visit(page(empty), name="empty.html")
    assert opened.page.inner_text("#figure-timeline + *, section:has(#figure-timeline) figcaption")
    opened.innocent()
    opened.keep("empty")
    opened = visit(page(scene), name="scene.html")
    rows = opened.page.locator("table[data-sorts=unfinished] tbody tr")
    assert rows.count() == sum(kind == Kind.UNFINISHED for kind in scene.lanes.bars.kind.tolist()) == 2
    assert opened.run("report.state.bars") == len(scene.lanes.bars)
    opened.innocent()
    opened.keep("scene")
    assert json.dumps(opened.run("report.state"))

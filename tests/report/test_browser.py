"""The page in a real browser, at the width of a desk and of a phone, in light and dark, and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest

from components.report.page import page, short_page
from tests.report import made
from tests.report.browser import Browser, browsing

pytestmark = pytest.mark.browser

FAILED = {"run": "r1", "outcome": "FAILED", "error": {"what": "docs-prod is no bucket", "code": "X" * 90}, "inputs": {}}
DESK, PHONE = 1280, 390

CLIPPED = """[...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1) && !one.closest(".wide, .strip, .curve");
}).map(one => one.outerHTML.slice(0, 90))"""
"""What sticks out of the page; wide tables scroll inside themselves."""

DRAWN_OVER = """[...document.querySelectorAll("body > * svg")].flatMap(svg => {
  const texts = [...svg.querySelectorAll("text")].map(one => [one.textContent, one.getBoundingClientRect()]);
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const out = texts.filter(([_, box]) => box.right > innerWidth + 1 || box.left < -1);
  return [...out, ...texts.filter(([_, a], i) => texts.some(([_, b], j) => j < i && meet(a, b)))].map(one => one[0]);
})"""
"""Texts in a drawing that leave the page or lie over one another."""

FAINT = """(() => {
  const shade = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = color => {
    shade.clearRect(0, 0, 1, 1); shade.fillStyle = color; shade.fillRect(0, 0, 1, 1);
    const part = [...shade.getImageData(0, 0, 1, 1).data].map(v => v / 255);
    const [r, g, b] = part.map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return [.2126 * r + .7152 * g + .0722 * b, part[3]];
  };
  const under = one => {
    for (; one; one = one.parentElement) {
      const [value, there] = light(getComputedStyle(one).backgroundColor);
      if (there) return value;
    }
    return 1;
  };
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement, style = getComputedStyle(one);
    if (!walk.currentNode.textContent.trim() || !one.getClientRects().length) continue;
    const ink = one.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(ink)[0], under(one)].sort((x, y) => y - x);
    const contrast = (a + .05) / (b + .05), size = parseFloat(style.fontSize);
    if (contrast < 4.5 || size < 11.5) found.push([walk.currentNode.textContent.trim().slice(0, 40), contrast, size]);
  }
  return found;
})()"""
"""Texts with a contrast below 4.5 (WCAG 2.2, 1.4.3) or smaller than 11.5 pixels."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinds = {one.__name__: page(one()) for one in (made.fresh, made.promotion, made.hold, made.suspicious, made.error)}
    folder = tmp_path_factory.mktemp("pages")
    for name, html in (kinds | {"failed": short_page(FAILED)}).items():
        (folder / f"{name}.html").write_text(html)
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["fresh", "promotion", "hold", "suspicious", "error", "failed"])
def test_a_page_is_legible_asks_for_nothing_and_says_nothing_on_the_console(browser, pages, name, width, dark):
    browser.open(pages[name], width=width, dark=dark)
    assert browser.notes == [("Network.requestWillBeSent", pages[name].as_uri())]
    assert browser.ask("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert browser.ask("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    for fault in (CLIPPED, DRAWN_OVER, FAINT):
        assert browser.ask(fault) == []


def test_the_decision_and_the_whole_picture_are_on_a_phones_first_screen(browser, pages):
    browser.open(pages["promotion"], width=PHONE)
    assert browser.ask("document.querySelector('figure svg.strip:last-of-type').getBoundingClientRect().bottom") < 844


def test_folded_slices_open_without_a_script_and_lie_open_on_paper(browser, pages):
    browser.open(pages["hold"], width=DESK)
    shown = "document.querySelector('details tbody').checkVisibility({contentVisibilityAuto: true})"
    height = "document.querySelector('details').getBoundingClientRect().height"
    before = browser.ask(height)
    browser.ask("document.querySelector('summary').click()")
    assert browser.ask(height) > before + 100 and browser.ask(shown)
    browser.open(pages["hold"], width=DESK, dark=True)
    with pypdfium2.PdfDocument(browser.printed()) as paper:
        text = " ".join(sheet.get_textpage().get_text_bounded() for sheet in paper)
        paperwhite = paper[0].render(scale=0.2).to_numpy()[0, 0]
    assert "service:29" in text and "smaller slices" not in text
    assert paperwhite.min() == 255, "dark is for screens"


def test_a_browser_would_have_noticed(browser, tmp_path):
    loud = tmp_path / "loud.html"
    far, small, pale = "margin-left: 2000px; width: 9px", "font-size: 8px", "color: #ccc; background: #fff"
    texts = "<svg><text y='20'>one</text><text y='20'>two</text></svg>"
    shown = f"<p style='{far}'>far</p><p style='{small}'>small</p><p style='{pale}'>pale</p><div>{texts}</div>"
    loud.write_text(f"<!doctype html><body>{shown}<script>console.log('hello')</script><img src='missing.png'></body>")
    browser.open(loud, width=DESK)
    asked = [what for event, what in browser.notes if event == "Network.requestWillBeSent"]
    assert (tmp_path / "missing.png").as_uri() in asked
    assert {"Runtime.consoleAPICalled", "Log.entryAdded"} <= {event for event, _ in browser.notes}
    assert browser.ask(CLIPPED) and browser.ask(DRAWN_OVER) == ["two"]
    assert [one[0] for one in browser.ask(FAINT)] == ["small", "pale"]

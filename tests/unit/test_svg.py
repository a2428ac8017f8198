"""A picture is taken into a page without anything that could act, fetch or restyle."""

import re

import pytest

from expzoo.report import svg


def drawing(inside, attributes=""):
    head = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"'
    return f"<svg {head} {attributes}>{inside}</svg>"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<g onload='alert(1)'/>",
        "<foreignObject><iframe src='https://x.org'/></foreignObject>",
        "<a xlink:href='javascript:alert(1)'><path d='M 0 0'/></a>",
        "<use xlink:href='https://x.org/a.svg#b'/>",
        "<image xlink:href='https://x.org/a.png'/>",
        "<image href='data:image/svg+xml;base64,PHN2Zz4='/>",
        "<style>* { background: url(https://x.org) }</style>",
        "<path style='fill: url(https://x.org#a); behavior: url(x)'/>",
        "<path style=\"fill: expression(alert(1)); background-image: url('https://x.org')\"/>",
        "<path fill='url(https://x.org#a)'/>",
        "<animate attributeName='href' to='javascript:alert(1)'/>",
        "<set attributeName='onload' to='alert(1)'/>",
    ],
)
def test_nothing_in_a_picture_acts_or_fetches(hostile):
    text, panels = svg.adopt(
        drawing(f"<g id='a'>{hostile}</g><path d='M 0 0 L 1 1'/>", "onload='alert(1)'"), "f0-", "a"
    )
    assert not re.search(r"script|alert|https|javascript|onload|foreignObject|iframe|style>|animate|svg\+xml", text)
    assert '<path d="M 0 0 L 1 1" />' in text
    assert panels == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<html/>",
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + drawing("&a;"),
        drawing("<g>" * 100_000),
        " " * (svg.MAX_CHARACTERS + 1),
    ],
)
def test_what_is_no_picture_is_refused(text):
    with pytest.raises(ValueError, match=r"SVG|XML"):
        svg.adopt(text, "f0-", "a")


def test_deeply_nested_groups_are_refused():
    with pytest.raises(ValueError, match="nested"):
        svg.adopt(drawing("<g>" * 2000 + "</g>" * 2000), "f0-", "a")


def test_references_stay_inside_the_picture_and_colours_become_the_pages():
    inside = (
        "<clipPath id='c'/><g clip-path='url(#c)'><use xlink:href='#m' style='stroke: #1f2328; fill: #c2410c'/></g>"
    )
    text, _ = svg.adopt(drawing(inside), "f7-", 'a "label"')
    for part in ('id="f7-c"', 'clip-path="url(#f7-c)"', 'href="#f7-m"', "stroke: var(--ink); fill: #c2410c"):
        assert part in text
    assert 'aria-label="a &quot;label&quot;"' in text


@pytest.mark.parametrize(
    "values",
    [
        "{",
        "[1]",
        '[{"box": [0, 0, 1]}]',
        '[{"box": [0, 0, 1, NaN], "along": "x", "point": "", "value": "", "series": []}]',
        '[{"box": [0, 0, 1, 1], "along": "x", "point": "", "value": "", "series": [{"label": "", "colour": "red;x"}]}]',
    ],
)
def test_values_of_another_form_are_left_out(values):
    text, panels = svg.adopt(drawing(f"<metadata id='readings'>{values}</metadata>"), "f0-", "a")
    assert panels == []
    assert "readings" not in text

